import Core
import Telemetry
import Testing

@Suite struct OTLPTests {
  @Test func spansAreWrittenAsTheProtocolHasThem() throws {
    let span = TraceSpan(
      traceID: "0123456789abcdef0123456789abcdef", spanID: "00f067aa0ba902b7", parentID: "b7ad6b7169203331",
      name: "GET /api/v1/files/{file_id}", start: Timestamp("2026-11-29T10:00:00.000001Z")!,
      durationMicroseconds: 1500, status: 503, failed: true)
    let text = String(decoding: OTLP.traces([span], service: "artstore-appliance", instance: "north"), as: UTF8.self)
    #expect(
      text == #"{"resourceSpans":[{"resource":{"attributes":["#
        + #"{"key":"service.name","value":{"stringValue":"artstore-appliance"}},"#
        + #"{"key":"service.instance.id","value":{"stringValue":"north"}},"#
        + #"{"key":"service.version","value":{"stringValue":"\#(Product.version)"}}]},"#
        + #""scopeSpans":[{"scope":{"name":"artstore"},"spans":[{"traceId":"0123456789abcdef0123456789abcdef","#
        + #""spanId":"00f067aa0ba902b7","parentSpanId":"b7ad6b7169203331","#
        + #""name":"GET /api/v1/files/{file_id}","kind":2,"#
        + #""startTimeUnixNano":"1795946400000001000","endTimeUnixNano":"1795946400001501000","#
        + #""attributes":[{"key":"http.response.status_code","value":{"intValue":"503"}}],"status":{"code":2}}]}]}]}"#)
    _ = try JSON.decode(JSONValue.self, from: Array(text.utf8))
  }
}
