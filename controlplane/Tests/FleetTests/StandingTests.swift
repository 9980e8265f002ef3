import Catalogue
import Core
import HTTP
import HTTPServer
import JWT
import Postgres
import StorageAPI
import Synchronization
import Telemetry
import TestKit
import Testing

@testable import Fleet

/// How a site stands: for administrators and for monitoring.
@Suite(.serialized) struct StandingTests {
  @Test func aSiteSaysForHowLongItCanBeLeftAlone() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      _ = try await world.sync(element)
      let alone = try await world.fleet.registry.view(element.id).alone
      #expect((89...90).contains(try #require(alone.certificateDays)))
      #expect((89...90).contains(try #require(alone.changeLogDays)))
      #expect(try #require(alone.keyBundleDays) > 7000, "the fleet's authority lives for twenty years")
      #expect(alone.localClientDays == nil && alone.shortest?.reason != .keyBundle)
      // A new key each day: the newest that the site knows signs no longer than that.
      let signing = try #require(alone.signingKeyDays)
      #expect(signing > 0.9 && signing <= 1, "\(signing)")
    }
  }

  @Test func monitoringSeesEverySite() async throws {
    let metrics = MetricsRegistry()
    let world = try await FleetWorld(metrics: metrics)
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url, name: "no\"rth")
      try await world.pool.query(
        """
        INSERT INTO storage_element_health (storage_element_id, checked_at, status, used_bytes, available_bytes,
          round_trip_ms)
        SELECT \(element.id), now() - make_interval(days => d), 'online', 10 - d, 990 + d, 1
        FROM generate_series(1, 6) AS d
        """)
      appliance.state.withLock { $0.clockAhead = .seconds(30) }
      _ = try await world.fleet.tidyHistory()
      _ = try await world.fleet.pollSites()
      let text = String(decoding: metrics.render(), as: UTF8.self)
      let site = #"{site="no\"rth"}"#
      #expect(text.contains("cp_site_reachable\(site) 1\n"))
      #expect(text.contains("cp_site_journal_rewritten\(site) 0\n"))
      #expect(text.contains("cp_site_full_in_seconds\(site) "))
      #expect(text.contains("cp_site_clock_offset_seconds\(site) 30") || text.contains("\(site) 29."))
      // Between 89 and 90 days.
      let line = #"cp_site_alone_seconds{site="no\"rth",reason="certificate"} "#
      let seconds = try #require(text.split(separator: line).last?.split(separator: "\n").first.flatMap { Double($0) })
      #expect((7_689_600...7_776_000).contains(seconds))
    }
    try await world.letPollsBeDue()
    _ = try await world.fleet.pollSites()
    #expect(String(decoding: metrics.render(), as: UTF8.self).contains(#"cp_site_reachable{site="no\"rth"} 0"#))
  }

  /// Each replica runs the job; a site is polled once an interval.
  @Test func replicasShareThePolls() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      let before = try await world.fleet.health.elements.health(element.id, limit: 100).count
      for round in 1...2 {
        async let one = world.fleet.pollSites()
        async let other = world.fleet.pollSites()
        #expect(try await Set([one, other]) == ["reached 1 of 1", "reached 0 of 0"])
        #expect(try await world.fleet.pollSites() == "reached 0 of 0")
        #expect(try await world.fleet.health.elements.health(element.id, limit: 100).count == before + round)
        try await world.letPollsBeDue()
      }
    }
  }

  @Test func theHealthOfASiteHasItsHistoryAndTrend() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      _ = try await world.fleet.pollSites()
      let router = Router(world.fleet.routes(), authorizer: Anyone())
      let answer = await router.respond(to: try .make(.get, "/api/v1/storage-elements/\(element.id)/health"))
      guard case .bytes(let bytes) = answer.body else {
        Issue.record("no body: \(answer.status)")
        return
      }
      let json = try JSON.decode([String: JSONValue].self, from: bytes)
      #expect(json["answered_share"] == .integer(1) || json["answered_share"] == .number(1))
      #expect(json["days_to_full"] == .null, "nothing is said of one moment")
      guard case .object(let trend)? = json["trend"], case .array(let points)? = trend["points"],
        case .array(let items)? = json["items"], case .object(let newest)? = items.first
      else {
        Issue.record("\(json)")
        return
      }
      #expect(points.count == 1 && trend["bytes_per_day"] == .null)
      guard case .integer? = newest["clock_offset_ms"] else {
        Issue.record("\(newest)")
        return
      }
    }
  }

  @Test func spansArePulledOnceAndAgainAfterAFailedDelivery() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      _ = try await world.claim(appliance, url)
      for number in 0..<7 { appliance.spans.record(Self.span(number)) }
      let got = Mutex<[String]>([])
      let refuses = Mutex(true)
      func pull() async throws -> Int {
        try await world.fleet.pullSpans { element, spans in
          if refuses.withLock({ $0 }) { throw TestKitError("the collector is away") }
          got.withLock { $0 += spans.map { "\(element.name) \($0.name)" } }
        }
      }
      #expect(try await pull() == 0)
      refuses.withLock { $0 = false }
      #expect(try await pull() == 7)
      #expect(try await pull() == 0)
      appliance.spans.record(Self.span(7))
      #expect(try await pull() == 1)
      #expect(got.withLock { $0 } == (0..<8).map { "one \($0)" })
      // Another replica holds the lock: nothing is fetched twice.
      try await world.pool.withConnection { connection in
        try await connection.query("SELECT pg_advisory_lock(\(0x6172_7473_7061_6e73 as Int64))")
        appliance.spans.record(Self.span(8))
        #expect(try await pull() == 0)
        try await connection.query("SELECT pg_advisory_unlock(\(0x6172_7473_7061_6e73 as Int64))")
      }
      #expect(try await pull() == 1)
    }
  }

  private static func span(_ number: Int) -> TraceSpan {
    TraceSpan(
      traceID: String(repeating: "a", count: 32), spanID: String(repeating: "b", count: 16), parentID: nil,
      name: "\(number)", start: Timestamp(seconds: 0), durationMicroseconds: 1, status: 200, failed: false)
  }

  private struct Anyone: Authorizer {
    func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
      Principal(subject: "admin", role: .admin)
    }
  }
}
