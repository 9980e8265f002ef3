import HTTPServer
import Telemetry
import TestKit
import Testing

@testable import ControlPlane

/// A gateway that nobody named is noticed, and not told again with every request.
@Suite struct UntrustedForwardingTests {
  @Test func itIsLoggedOnceInAWhileAndShownAsLongAsItLasts() {
    let time = ManualTime()
    let sink = MemorySink()
    let metrics = MetricsRegistry()
    let forwarding = UntrustedForwarding(
      time: time, logger: Logger(label: "test", level: .info, format: .json, sink: sink), metrics: metrics)
    #expect(!forwarding.check.message.contains("CP_TRUSTED_PROXIES"))
    for _ in 0..<50 { forwarding.note("10.1.2.3") }
    #expect(sink.text.count == 1)
    #expect(sink.text.first?.contains("10.1.2.3") == true)
    #expect(forwarding.check.message.contains("CP_TRUSTED_PROXIES"))
    #expect(forwarding.check.status == .ok, "anybody can send the header")
    time.advance(by: UntrustedForwarding.memory - .seconds(1))
    forwarding.note("10.1.2.3")
    #expect(sink.text.count == 1)
    time.advance(by: .seconds(1))
    forwarding.note("10.1.2.3")
    #expect(sink.text.count == 2)
    #expect(String(decoding: metrics.render(), as: UTF8.self).contains("cp_forwarded_ignored_total 52"))
    time.advance(by: UntrustedForwarding.memory)
    #expect(!forwarding.check.message.contains("CP_TRUSTED_PROXIES"))
  }
}
