import Core
import Telemetry
import Testing

/// W3C Trace Context, level 1: the header's format (§3.2) and what to do with other versions (§4.3).
@Suite struct TraceContextTests {
  @Test func theStandardsExample() throws {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    let trace = try #require(TraceContext(traceparent: text))
    #expect(trace.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" && trace.spanID == "00f067aa0ba902b7")
    #expect(trace.isSampled && trace.traceparent == text)
  }

  @Test(arguments: [
    "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
    "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
  ])
  func malformedOnesAreNone(_ text: String) { #expect(TraceContext(traceparent: text) == nil) }

  @Test func aLaterVersionMayHaveMore() {
    #expect(TraceContext(traceparent: "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more") != nil)
  }

  @Test func newOnesAreDifferentAndReadable() throws {
    let random = SeededRandom(seed: 1)
    let one = TraceContext.random(random)
    #expect(TraceContext(traceparent: one.traceparent) == one)
    let child = one.child(random)
    #expect(child.traceID == one.traceID && child.spanID != one.spanID)
    #expect(TraceContext.random(random).traceID != one.traceID)
  }

  @Test func whatIsSurelyNotSampledIsKnownUnparsed() {
    let rest = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    for flags in ["00", "01", "02", "03", "0a", "0b", "fe", "ff", "1e", "1f", "09", "08"] {
      let text = "00-\(rest)-\(flags)"
      #expect(TraceContext.mayBeSampled(text) == TraceContext(traceparent: text)?.isSampled, "\(flags)")
    }
    #expect(TraceContext.mayBeSampled("01-\(rest)-03-more") && !TraceContext.mayBeSampled("00-"))
  }
}
