import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import TestKit
import Testing

@Suite struct ProbeTests {
  private func probe(_ target: TestAppliance, _ path: String) async throws -> Answer {
    try await Answer(target.appliance.probe.respond(to: try Request.make(.get, path)))
  }

  @Test func aProbeLearnsNothingOfTheDocuments() async throws {
    let target = try TestAppliance()
    _ = try await target.upload([1], name: "secret-name.txt")
    let ready = try await probe(target, "/health/ready")
    #expect(ready.status == 200)
    guard case .object(let checks)? = try ready.json()["checks"] else {
      Issue.record("no checks")
      return
    }
    #expect(Set(checks.keys).isSuperset(of: ["store", "index", "disk", "certificate", "clock"]))
    for (name, check) in checks {
      guard case .object(let check) = check else { continue }
      #expect(check["message"] == .string(""), "\(name)")
    }
    let metrics = try await probe(target, "/metrics").text
    #expect(metrics.contains("se_up 1"))
    #expect(metrics.contains("se_scrub_age_seconds 86400"))
    #expect(!metrics.contains("se_files"))
    let full = try await target.call(.get, "/metrics", peer: .admin, scopes: nil).text
    #expect(full.contains("se_files"))
    for figure in [
      "se_scrub_verified_ratio 0.5", "se_upkeep_paused 0", "se_damaged_documents{type=\"missing_file\"} 0",
      "se_wal_history_seconds",
    ] { #expect(full.contains(figure), "\(figure)") }
    #expect(try await probe(target, "/api/v1/files").status == 404)
    #expect(try await probe(target, "/version").json()["version"] == .string(Product.version))
  }

  @Test func probesAreRateLimited() async throws {
    let target = try TestAppliance()
    var statuses: [Int] = []
    for _ in 0..<100 { statuses.append(try await probe(target, "/health/live").status) }
    #expect(statuses.prefix(60).allSatisfy { $0 == 200 })
    #expect(statuses.last == 429)
    target.time.advance(by: .seconds(1))
    #expect(try await probe(target, "/health/live").status == 200)
  }

  @Test func readinessFailsWhenTheCertificateHasExpired() async throws {
    let target = try TestAppliance()
    target.time.advance(by: .seconds(11 * 365 * 86_400))
    let answer = try await probe(target, "/health/ready")
    #expect(answer.status == 503)
  }
}
