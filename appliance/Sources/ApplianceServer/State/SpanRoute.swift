internal import Crypto
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Telemetry

/// `GET /spans`: the appliance never dials out, so whoever collects traces comes for them. By certificate alone,
/// because spans say nothing about documents and people.
struct SpanRoute: Sendable {
  let spans: SpanRing

  var routes: [Route] { [Route(.get, AppliancePaths.spans, .certificate([.admin])) { try page($0) }] }

  private func page(_ request: Request) throws -> Response {
    let query = QueryReader(request.query)
    try query.allow("after", "limit")
    let cursor = try query.text("after", bytesMax: 40)
    let limit = try query.integer("limit", in: 1...SpanPage.limitMax) ?? 200
    return try .json(.ok, SpanPage(spans.page(after: cursor, limit: limit)))
  }
}
