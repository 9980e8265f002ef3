import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import StorageAPI
import Store
import Synchronization
import TestKit
import Testing

/// Listing, change, deletion, feed, digest, state.
@Suite struct RecordTests {
  @Test func theListingPages() async throws {
    let target = try TestAppliance()
    for number in 0..<7 { _ = try await target.upload([UInt8(number)], name: "\(number).txt") }
    let first = try await target.call(.get, "/api/v1/files?limit=3").json()
    #expect(first["total"] == .integer(7))
    #expect(first["limit"] == .integer(3))
    #expect(first["offset"] == .integer(0))
    #expect(first["has_more"] == .bool(true))
    var names: [JSONValue] = []
    var query = "limit=3"
    for _ in 0..<3 {
      let page = try await target.call(.get, "/api/v1/files?\(query)").json()
      guard case .array(let items)? = page["items"] else { break }
      for case .object(let item) in items { names.append(item["original_filename"] ?? .null) }
      guard case .string(let cursor)? = page["next_cursor"] else { break }
      query = "limit=3&cursor=\(PercentEncoding.encode(cursor))"
    }
    #expect(names == (0..<7).map { .string("\($0).txt") })
    let empty = try await target.call(.get, "/api/v1/files?status=deleted").json()
    #expect(empty["items"] == .array([]) && empty["total"] == .integer(0))
  }

  @Test(arguments: [
    "/api/v1/files?limit=0", "/api/v1/files?limit=1001", "/api/v1/files?limit=x", "/api/v1/files?offset=-1",
    "/api/v1/files?status=gone", "/api/v1/files?limt=3", "/api/v1/changes?after=zzz", "/api/v1/changes?wait=31",
    "/api/v1/changes?limit=10001", "/api/v1/files/not-a-uuid",
  ])
  func badParametersAreNamed(_ target: String) async throws {
    let appliance = try TestAppliance()
    let answer = try await appliance.call(.get, target)
    #expect(answer.status == 400, "\(answer.text)")
    let name = target.split(separator: "?").last?.split(separator: "=").first ?? ""
    if target.contains("?") { #expect(answer.error.message.contains(name), "\(answer.text)") }
  }

  @Test func changingARecord() async throws {
    let target = try TestAppliance()
    let record = try await target.upload([1], fields: [("description", "old"), ("metadata", #"{"a":1}"#)]).record()
    let path = "/api/v1/files/\(record.fileID)"
    func patch(_ text: String) async throws -> Answer { try await target.call(.patch, path, body: Array(text.utf8)) }
    let changed = try await patch(#"{"description":"новое","tags":["t"]}"#)
    #expect(changed.status == 200)
    #expect(try changed.record().description == "новое")
    #expect(try changed.record().tags == ["t"])
    #expect(try changed.record().metadata == ["a": .integer(1)])
    #expect(changed.headers["ArtStore-Position"] != nil)
    #expect(try await patch(#"{"description":null,"metadata":null}"#).record().description == nil)
    for bad in [
      "{}", "[]", "{", #"{"size":1}"#, #"{"tags":"x"}"#, #"{"tags":[1]}"#, #"{"description":7}"#,
      #"{"metadata":[]}"#, #"{"original_filename":"x"}"#,
      #"{"description":"\#(String(repeating: "x", count: 1001))"}"#,
    ] {
      #expect(try await patch(bad).status == 400, "\(bad)")
    }
    #expect(
      try await target.call(.patch, "/api/v1/files/\(FileID(high: 1, low: 1))", body: Array(#"{"tags":[]}"#.utf8))
        .status == 404)
  }

  @Test func theFeedTellsWhatChanged() async throws {
    let target = try TestAppliance()
    let record = try await target.upload([1]).record()
    func lines(_ query: String) async throws -> [[String: JSONValue]] {
      let answer = try await target.call(.get, query)
      #expect(answer.status == 200, "\(answer.text)")
      #expect(answer.headers["Content-Type"] == "application/x-ndjson")
      return try answer.body.split(separator: UInt8(ascii: "\n")).map {
        try JSON.decode([String: JSONValue].self, from: $0)
      }
    }
    let first = try await lines("/api/v1/changes")
    #expect(first.count == 2)
    #expect(first[0]["op"] == .string("put"))
    guard case .string(let cursor)? = first.last?["cursor"] else {
      Issue.record("the page has no closing line")
      return
    }
    #expect(first.last?["more"] == .bool(false))
    #expect(try await lines("/api/v1/changes?after=\(cursor)").count == 1)
    _ = try await target.call(.delete, "/api/v1/files/\(record.fileID)")
    let second = try await lines("/api/v1/changes?after=\(cursor)")
    #expect(second.count == 2)
    let other = Position(epoch: 99, generation: 1, incarnation: 1, lsn: 1).cursor
    #expect(try await target.call(.get, "/api/v1/changes?after=\(other)").status == 410)
    let digest = try await target.call(.get, "/api/v1/files/digest").json()
    guard case .array(let buckets)? = digest["buckets"] else {
      Issue.record("no buckets")
      return
    }
    #expect(buckets.count == 256)
    let range = try await target.call(.get, "/api/v1/files?limit=10", headers: ["Accept": "application/x-ndjson"])
    #expect(range.headers["Content-Type"] == "application/x-ndjson")
    #expect(range.text.split(separator: "\n").last?.contains("cursor") == true)
  }

  @Test func deletingIsForEditOnly() async throws {
    let target = try TestAppliance(mode: .rw)
    let record = try await target.upload([1]).record()
    #expect(try await target.call(.delete, "/api/v1/files/\(record.fileID)").error.code == "MODE_NOT_ALLOWED")
  }

  @Test func theModeChangesAsTheContractSays() async throws {
    let target = try TestAppliance(mode: .rw)
    func transition(_ body: String) async throws -> Answer {
      try await target.call(.post, "/api/v1/mode/transition", body: Array(body.utf8), peer: .admin)
    }
    let done = try await transition(#"{"target_mode":"ro"}"#)
    #expect(done.status == 200)
    #expect(try done.json()["previous_mode"] == .string("rw"))
    #expect(try await transition(#"{"target_mode":"ar"}"#).error.code == "CONFIRMATION_REQUIRED")
    #expect(try await transition(#"{"target_mode":"edit","confirm":true}"#).error.code == "INVALID_TRANSITION")
    #expect(try await transition(#"{"target_mode":"rw","confirm":true}"#).status == 200)
    for bad in [
      #"{"target_mode":"x"}"#, "{}", #"{"target_mode":"ro","confirm":"yes"}"#, #"{"target_mode":"ro","cofirm":true}"#,
    ] {
      #expect(try await transition(bad).status == 400, "\(bad)")
    }
  }

  @Test func infoSaysWhatTheContractAsks() async throws {
    let target = try TestAppliance()
    _ = try await target.upload([1, 2, 3])
    let info = try await target.call(.get, "/api/v1/info", peer: .query, scopes: nil).json()
    for name in [
      "storage_id", "mode", "status", "version", "capacity", "replica_mode", "role", "allowed_operations", "epoch",
      "last_lsn", "chain_head", "clock", "scrub", "tasks", "upkeep_paused", "tombstone_floor",
    ] {
      #expect(info[name] != nil, "\(name)")
    }
    #expect(info["mode"] == .string("edit"))
    #expect(info["storage_id"] == .string(target.store.storageID.description))
  }

  @Test func maintenanceAnswersWithReportOrRun() async throws {
    let target = try TestAppliance()
    let done = try await target.call(.post, "/api/v1/maintenance/reconcile?wait=1", peer: .admin)
    #expect(done.status == 200)
    target.maintenance.state.withLock { $0 = .running(target.maintenance.known) }
    let running = try await target.call(.post, "/api/v1/maintenance/scrub", peer: .admin)
    #expect(running.status == 202)
    #expect(try running.json()["run_id"] == .string(target.maintenance.known))
    #expect(try await target.call(.get, "/api/v1/maintenance/\(target.maintenance.known)", peer: .admin).status == 202)
    #expect(try await target.call(.get, "/api/v1/maintenance/\(FileID(high: 4, low: 4))", peer: .admin).status == 404)
    #expect(try await target.call(.post, "/api/v1/maintenance/scrub?wait=301", peer: .admin).status == 400)
  }

  @Test func timeAndSettingsAreTheAdministrators() async throws {
    let target = try TestAppliance()
    func put(_ path: String, _ text: String) async throws -> Answer {
      try await target.call(.put, path, body: Array(text.utf8), peer: .admin, scopes: nil)
    }
    let now = target.time.now()
    let clock = try await put("/api/v1/time", #"{"time":"\#(now + .seconds(90))"}"#).json()
    #expect(clock["offset_ms"] == .integer(90_000) && clock["trusted"] == .bool(true))
    // Tokens are checked by the control plane's time from now on.
    let early = try TestAppliance.tokens.mint(audience: target.audience, scopes: [.filesRead], lifetime: .seconds(20))
    #expect(try await target.call(.get, "/api/v1/files", token: early).status == 401)
    #expect(try await put("/api/v1/time", #"{"time":"\#(now + .seconds(4000))"}"#).json()["trusted"] == .bool(false))
    #expect(try await target.call(.get, "/api/v1/info", peer: .admin).json()["status"] == .string("degraded"))
    #expect(try await put("/api/v1/settings", #"{"display_name":"x"}"#).status == 200)
    #expect(!target.onboarding.isUpkeepPaused)
    #expect(try await put("/api/v1/settings", #"{"upkeep_paused":true}"#).status == 200)
    #expect(try await put("/api/v1/settings", #"{"display_name":"y"}"#).status == 200)
    #expect(target.onboarding.isUpkeepPaused)
    #expect(try await put("/api/v1/settings", #"{"upkeep_paused":"yes"}"#).status == 400)
    #expect(try await put("/api/v1/settings", #"{"dislay_name":"x"}"#).error.message.contains("dislay_name"))
    #expect(try await put("/api/v1/settings", #"{"clock_tolerance_seconds":"x"}"#).status == 400)
  }
}
