import Core
import Crypto
import Disk
import HTTP
import Journal
import StorageAPI

@testable import Store

extension StoreSimulation {
  /// Compares every document with the model, which learns what became of unanswered changes.
  func resolve(_ store: Store) throws {
    for id in model.ids {
      if let wrong = model.observe(id, try shown(store, id)) {
        let files = disk.files(below: "/data").filter { $0.key.contains(id.description) }.map {
          "\($0.key): \($0.value.count)"
        }
        throw fail(wrong + "; files: \(files.sorted())")
      }
    }
  }

  /// All that a store shows and holds, to be compared.
  struct State: Equatable {
    let digest: String
    let mode: ApplianceMode
    /// Below `files/` and `quarantine/`.
    let files: [String: [UInt8]]
  }

  /// Compares everything the store shows with the model; what there is.
  func verify(_ store: Store) async throws -> State {
    try resolve(store)
    let rows = try store.documents(after: 0, limit: 100_000)
    guard Set(rows.map(\.record.fileID)) == Set(model.acknowledged.keys) else {
      let extra = Set(rows.map(\.record.fileID)).subtracting(model.acknowledged.keys)
      throw fail("the index shows documents that nobody acknowledged: \(extra)")
    }
    try await checkTotals(store, rows)
    try await follow(store, rows)
    store.flush()
    try checkFiles(store, try store.documents(after: 0, limit: 100_000))
    try checkHistory()
    let files = disk.files(below: "/data/files").merging(disk.files(below: "/data/quarantine")) { first, _ in first }
    return State(digest: try await store.digest().buckets.joined(), mode: store.mode, files: files)
  }

  /// A document as a client sees it, its bytes checked against its own checksum.
  func shown(_ store: Store, _ id: FileID) throws -> SimulationModel.Document? {
    guard let document = try store.document(id) else { return nil }
    let bytes: [UInt8]
    if let waiting = store.shared.placements.body(id) {
      bytes = waiting
    } else {
      let staged = try store.shared.placements.stagedName(id).flatMap {
        try disk.contents(store.absolute("staging/\($0)"), limit: 1 << 24)
      }
      guard let found = try staged ?? disk.contents(store.absolute(document.path), limit: 1 << 24) else {
        throw fail("document \(id) has a row but no file")
      }
      bytes = found
    }
    guard SHA256.digest(bytes) == document.record.checksum else { throw fail("document \(id) has other bytes") }
    if document.record.status == .active, store.mode.allows(.download), case .bytes(let read) = try store.open(id).body,
      read != bytes
    {
      throw fail("document \(id) is served with other bytes")
    }
    return SimulationModel.Document(
      bytes: bytes, description: document.record.description, status: document.record.status,
      expiresAt: document.record.expiresAt)
  }

  /// The chain of segments is whole, from the first or the anchor to the end.
  private func checkHistory() throws {
    let found = try OfflineJournal(configuration, disk: disk).inspection.verify()
    guard found.isSound else { throw fail("the journal's history: \(found.problems)") }
  }

  private func checkTotals(_ store: Store, _ rows: [IndexedDocument]) async throws {
    var totals = IndexTotals()
    for row in rows {
      let indexed = IndexRow(
        row.record, json: row.record.json, path: row.path, lsn: row.lsn, changedAt: clock.now())
      totals.add(
        indexed.id, status: indexed.status, size: indexed.size, contribution: IndexTotals.contribution(indexed))
    }
    guard store.shared.index.snapshot.totals == totals else { throw fail("the maintained totals or digest are wrong") }
  }

  /// The change feed from where the follower stood must lead it to exactly what exists.
  private func follow(_ store: Store, _ rows: [IndexedDocument]) async throws {
    var position = mirrorPosition
    if let known = position {
      switch await code({ try store.check(known) }) {
      case nil: break
      case .cursorExpired?:
        position = nil
        mirror = [:]
      case let other?: throw fail("a follower's cursor is answered with \(other)")
      }
    }
    var more = true
    while more {
      let page = try await store.changes(after: position, limit: 1 + random.below(50), wait: .zero)
      for line in String(decoding: page.lines, as: UTF8.self).split(separator: "\n") { apply(String(line)) }
      position = page.position
      more = page.hasMore
    }
    mirrorPosition = position
    let expected = Dictionary(
      uniqueKeysWithValues: rows.map { ($0.record.fileID, String(decoding: $0.record.json, as: UTF8.self)) })
    guard mirror == expected else { throw fail("a follower of the feed holds something else than the store") }
  }

  private func apply(_ line: String) {
    if line.hasPrefix("{\"op\":\"delete\"") {
      let start = line.firstRange(of: "\"file_id\":\"")!.upperBound
      mirror[FileID(String(line[start...].prefix(36)))!] = nil
    } else if let start = line.firstRange(of: "\"record\":")?.upperBound {
      let record = String(line[start...].dropLast())
      let id = record.firstRange(of: "\"file_id\":\"")!.upperBound
      mirror[FileID(String(record[id...].prefix(36)))!] = record
    }
  }

  /// Once flushed, the tree holds two files a document, the attributes say what the index says, and nothing else
  /// exists.
  private func checkFiles(_ store: Store, _ rows: [IndexedDocument]) throws {
    var files = disk.files(below: "/data/files")
    for row in rows {
      guard files.removeValue(forKey: "/data/" + row.path) != nil else { throw fail("\(row.path) is missing") }
      guard let bytes = files.removeValue(forKey: "/data/" + row.path + ".attr.json") else {
        throw fail("the attributes of \(row.path) are missing")
      }
      let attributes = try Attributes(bytes)
      guard attributes.record == row.record, attributes.lsn == row.lsn, attributes.path == row.path else {
        throw fail("the attributes of \(row.path) are not those of the index")
      }
    }
    guard files.isEmpty else { throw fail("files that nobody knows: \(files.keys.sorted())") }
    let staging = disk.files(below: "/data/staging")
    guard staging.isEmpty else { throw fail("unfinished uploads stayed behind: \(staging.keys.sorted())") }
  }
}
