import Core
import Crypto
import Disk
import FoundationEssentials
import HTTP
import StorageAPI
import Testing
import Upkeep

@testable import Store

/// Uploads in pieces: what a restart finds, who wins, what is bounded.
@Suite struct ResumableTests {
  static let bytes = pattern(300_000)

  static func begin(
    _ store: Store, length: Int = bytes.count, owner: String = "ivanov", id: FileID? = nil
  ) async throws -> ResumableUpload {
    var draft = FileDraft(filename: "отчёт.pdf", uploadedBy: owner)
    draft.id = id
    return try await store.beginResumable(draft, length: length, owner: owner, metadata: "filename b3Q=")
  }

  /// Hands `bytes` over in pieces of 4 KiB.
  static func source(_ bytes: some Sequence<UInt8>) -> @Sendable () async throws -> [UInt8]? {
    let rest = Rest(Array(bytes))
    return { await rest.next() }
  }

  actor Rest {
    private var bytes: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }
    func next() -> [UInt8]? {
      guard !bytes.isEmpty else { return nil }
      defer { bytes = bytes.dropFirst(4096) }
      return Array(bytes.prefix(4096))
    }
  }

  struct LinkDown: Error {}

  /// The same, and then the link breaks.
  static func breaking(_ bytes: some Sequence<UInt8>) -> @Sendable () async throws -> [UInt8]? {
    let whole = source(bytes)
    return {
      guard let next = try await whole() else { throw LinkDown() }
      return next
    }
  }

  @Test func whatCameBeforeABrokenLinkIsKept() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let upload = try await Self.begin(store)
    await #expect(throws: LinkDown.self) {
      _ = try await upload.append(at: 0, declared: nil, from: Self.breaking(Self.bytes[..<100_000]))
    }
    #expect(try await upload.look().offset == 100_000)
    await #expect(throws: LinkDown.self) { () async throws in
      let sum = ResumableUpload.PieceDigest(.sha1, Array(repeating: 0, count: 20))
      _ = try await upload.append(at: 100_000, declared: nil, digests: [sum], from: Self.breaking(Self.bytes[..<9000]))
    }
    #expect(try await upload.look().offset == 100_000, "a piece with a checksum counts as a whole or not at all")
    let done = try await upload.append(at: 100_000, declared: nil, from: Self.source(Self.bytes[100_000...]))
    #expect(try store.bytes(try #require(done.committed).record.fileID) == Self.bytes)
    store.close()
  }

  /// Not closed but dropped, as by SIGKILL: another store opens over the same files.
  @Test func aRestartGoesOnWhereTheLedgerSays() async throws {
    let fixture = try StoreFixture(threads: true)
    let first = try fixture.open()
    let upload = try await Self.begin(first)
    _ = try? await upload.append(at: 0, declared: nil, from: Self.breaking(Self.bytes[..<150_000]))  // meant to break
    // Bytes behind the ledger's back, as a piece that was coming in leaves them.
    let part = "\(fixture.root)/data/staging/\(upload.id).part"
    let file = try RealDisk().open(part, .update)
    try file.write(pattern(5000, seed: 99), at: 150_000)
    file.close()
    first.close()
    let second = try fixture.open()
    #expect(try RealDisk().stat(part)?.size == 150_000)
    #expect(throws: APIError.self) { try second.resumable(upload.id, owner: "petrova") }
    let again = try second.resumable(upload.id, owner: "ivanov")
    let told = try await again.look()
    #expect(told.offset == 150_000 && told.length == Self.bytes.count && !told.isFinished)
    #expect(again.metadata == "filename b3Q=")
    let done = try await again.append(at: 150_000, declared: nil, from: Self.source(Self.bytes[150_000...]))
    let record = try #require(done.committed).record
    #expect(record.checksum == SHA256.digest(Self.bytes))
    #expect(try second.bytes(record.fileID) == Self.bytes)
    second.close()
    let third = try fixture.open()
    #expect(try await third.resumable(upload.id, owner: "ivanov").look().isFinished)
    #expect(third.resumableSummary.unfinished == 0)
    third.close()
  }

  /// All bytes durable, the process dead before the commit; and dead between the commit and the ledger.
  @Test(arguments: [false, true])
  func aLostLastAnswerIsMadeUpFor(_ isCommitted: Bool) async throws {
    let fixture = try StoreFixture(threads: true)
    let first = try fixture.open()
    let upload = try await Self.begin(first)
    var ledger = upload.session.ledger
    if isCommitted {
      _ = try await upload.append(at: 0, declared: nil, from: Self.source(Self.bytes))
    } else {
      try Data(Self.bytes).write(to: URL(fileURLWithPath: "\(fixture.root)/data/staging/\(upload.id).part"))
    }
    first.close()
    ledger.offset = ledger.length
    try ledger.write(to: "\(fixture.root)/data/staging", RealDisk())
    let second = try fixture.open()
    let told = try await second.resumable(upload.id, owner: "ivanov").look()
    #expect(told.isFinished && told.offset == Self.bytes.count)
    #expect(try second.bytes(upload.fileID) == Self.bytes)
    #expect(try await second.list(ListQuery()).total == 1)
    #expect(second.resumableSummary.reservedBytes == 0)
    second.close()
  }

  @Test func theNewestRequestWins() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let upload = try await Self.begin(store)
    let stuck = Stuck(Array(Self.bytes[..<50_000]))
    async let old = code { try await upload.append(at: 0, declared: nil, from: { try await stuck.next() }) }
    await stuck.isWaiting()
    // Where a stale request cannot succeed it disturbs nobody.
    #expect(await code { try await upload.append(at: 0, declared: nil, from: Self.source(Self.bytes)) } == .conflict)
    #expect(await stuck.isCancelled == false)
    let done = try await upload.append(at: 50_000, declared: nil, from: Self.source(Self.bytes[50_000...]))
    #expect(await old == .conflict)
    #expect(await stuck.isCancelled)
    #expect(try store.bytes(try #require(done.committed).record.fileID) == Self.bytes)
    #expect(store.resumableSummary.preempted == 1)
    store.close()
  }

  /// A body that gives some bytes and then waits until its task is cancelled.
  actor Stuck {
    private var bytes: [UInt8]?
    private(set) var isCancelled = false
    private var waiting: CheckedContinuation<Void, Never>?
    private var isStuck = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func next() async throws -> [UInt8]? {
      if let bytes {
        self.bytes = nil
        return bytes
      }
      isStuck = true
      waiting?.resume()
      waiting = nil
      do { try await Task.sleep(for: .seconds(600)) } catch {
        isCancelled = true
        throw error
      }
      return nil
    }

    func isWaiting() async {
      if isStuck { return }
      await withCheckedContinuation { waiting = $0 }
    }
  }

  @Test func manyWritersAtOnceMakeOneDocument() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let upload = try await Self.begin(store)
    let finished = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 1...4 {
        group.addTask {
          var won = 0
          for attempt in 1...1000 {
            do {
              let offset = try await upload.look().offset
              let end = min(Self.bytes.count, offset + 20_000)
              let done = try await upload.append(
                at: offset, declared: end - offset, from: Self.source(Self.bytes[offset..<end]))
              if done.committed != nil { won += 1 }
            } catch let error as APIError where error.code == .conflict {
              let told = try? await upload.look()  // the newest of many wins, and that may be another
              if told?.isFinished == true { break }
              // As clients do: without a pause of its own length for each they could interrupt one another for ever.
              try await Task.sleep(for: .milliseconds(number * attempt % 17))
            }
          }
          return won
        }
      }
      return try await group.reduce(0, +)
    }
    let told = try await upload.look()
    #expect(told.isFinished && finished <= 1)
    #expect(try store.bytes(upload.fileID) == Self.bytes)
    store.close()
  }

  @Test func whatNobodyGoesOnWithIsRemoved() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.uploadExpiry = .seconds(3600)
    fixture.configuration.capacityLimitBytes = 1 << 24
    fixture.configuration.headroomBytes = 0
    let store = try fixture.open()
    let before = store.summary.availableBytes
    let (idle, busy, done) = (
      try await Self.begin(store), try await Self.begin(store), try await Self.begin(store, length: 1)
    )
    _ = try await done.append(at: 0, declared: 1, from: Self.source([7]))
    fixture.clock.advance(.seconds(3000))
    _ = try await busy.append(at: 0, declared: nil, from: Self.source(Self.bytes[..<10]))
    fixture.clock.advance(.seconds(700))
    let collector = GarbageCollector(store, grace: .zero, time: fixture.clock, isClockTrusted: { true })
    #expect(try await collector.run().contains("2 uploads forgotten"))
    #expect(await code { try await idle.look() } == .notFound)
    #expect(throws: APIError.self) { try store.resumable(idle.id, owner: "ivanov") }
    #expect(throws: APIError.self) { try store.resumable(done.id, owner: "ivanov") }
    #expect(try await busy.look().offset == 10)
    #expect(store.resumableSummary.expired == 1)
    try await busy.remove()
    #expect(store.summary.availableBytes == before - 1)
    #expect(try fixture.files("staging").isEmpty)
    #expect(try store.bytes(done.fileID) == [7])
    store.close()
  }

  @Test func oneSubjectCannotTakeAllRoom() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.uploadsPerOwnerMax = 3
    fixture.configuration.uploadBytesPerOwnerMax = 1 << 20
    fixture.configuration.openUploadsMax = 5
    let store = try fixture.open()
    var own: [ResumableUpload] = []
    for _ in 0..<3 { own.append(try await Self.begin(store, length: 100)) }
    #expect(await code { try await Self.begin(store, length: 100) } == .rateLimited)
    #expect(await code { try await Self.begin(store, length: 2 << 20, owner: "petrova") } == .rateLimited)
    _ = try await own[0].append(at: 0, declared: 100, from: Self.source(Self.bytes[..<100]))
    own.append(try await Self.begin(store, length: 100))
    _ = try await Self.begin(store, length: 100, owner: "petrova")
    _ = try await Self.begin(store, length: 100, owner: "petrova")
    #expect(await code { try await Self.begin(store, length: 100, owner: "sidorov") } == .rateLimited)
    #expect(store.resumableSummary.unfinished == 5)
    store.close()
    let again = try fixture.open()
    #expect(again.resumableSummary.unfinished == 5)
    #expect(again.resumableSummary.reservedBytes == 5 * (100 + Capacity.overheadBytes))
    again.close()
  }

  @Test func theFirstVersionOfTheLedgerIsRead() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    store.close()
    let here = #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let name = "0f4b5c1e-7f0e-4b8e-9a51-2d3c4b5a6978"
    let staging = "\(fixture.root)/data/staging"
    let ledger = try #require(try RealDisk().contents("/\(here)/Fixtures/upload-v1.json", limit: 65_536))
    try RealDisk().replace("\(staging)/\(name).upload.json", with: ledger)
    try RealDisk().replace("\(staging)/\(name).part", with: Array(Self.bytes[..<1234]))
    // Beside it what must go, and what a later program may still want.
    try RealDisk().replace("\(staging)/stray.part", with: [1])
    try RealDisk().replace("\(staging)/broken.upload.json", with: Array("{".utf8))
    try RealDisk().replace("\(staging)/later.upload.json", with: Array(#"{"version":2}"#.utf8))
    try RealDisk().replace("\(staging)/later.part", with: [2])
    let again = try fixture.open()
    #expect(
      try fixture.files("staging") == ["\(name).part", "\(name).upload.json", "later.part", "later.upload.json"])
    let upload = try again.resumable(try #require(FileID(name)), owner: "sa_integration")
    #expect(try await upload.look().offset == 1234)
    let done = try await upload.append(at: 1234, declared: nil, from: Self.source(Self.bytes[1234..<2000]))
    let record = try #require(done.committed).record
    #expect(record.originalFilename == "договор.pdf" && record.contentType == "application/pdf")
    #expect(record.uploadedBy == "ivanov" && record.ttlDays == 7 && record.tags == ["срочно"])
    #expect(record.description == "по частям" && record.metadata == ["case": .integer(17)])
    // What is written is what the fixture holds.
    #expect(JSONText(ledger) == JSONText(try JSON.encode(upload.session.ledger)))
    again.close()
  }

  struct JSONText: Equatable {
    let value: JSONValue?
    init(_ bytes: [UInt8]) { value = try? JSON.decode(JSONValue.self, from: bytes) }  // nil equals nothing in the test
  }

  /// Power cuts and kills at every step of pieces coming in: an offset that was acknowledged is there again, and the
  /// bytes before it are the ones that were sent.
  @Test(arguments: 0..<60)
  func anAcknowledgedOffsetSurvivesEveryCrash(_ seed: Int) async throws {
    let fixture = try StoreFixture()
    fixture.configuration.stagedWriteBytes = 6000
    var random = SimulationRandom(seed: UInt64(seed))
    let disk = SimulatedDisk(seed: UInt64(seed) &* 7 &+ 5)
    for name in ["data", "wal", "index"] { try disk.makeTree("\(fixture.root)/\(name)") }
    var store = try fixture.open(disk)
    let bytes = pattern(60_000, seed: UInt8(truncatingIfNeeded: seed))
    let begun = try await Self.begin(store, length: bytes.count)
    let id = begun.id
    var upload = begun
    var (acknowledged, promised, sent) = (0, 0, 0)
    for _ in 0..<12 {
      disk.faults.powerCutAt = disk.steps + 1 + random.below(14)
      if random.percent(30) {
        disk.faults = SimulatedDisk.FaultPlan()
        disk.faults.failAt = disk.steps + 1 + random.below(8)
        disk.faults.failure = random.percent(50) ? .syncFailed : .writeFailed
      }
      while !disk.isDown, store.readOnlyReason == nil, acknowledged + 9000 < bytes.count, !random.percent(10) {
        let end = acknowledged + 1 + random.below(9000)
        let piece = bytes[acknowledged..<end]
        let next = random.percent(20) ? Self.breaking(piece) : Self.source(piece)
        sent = max(sent, end)
        do {
          acknowledged = try await upload.append(at: acknowledged, declared: nil, from: next).offset
          promised = acknowledged
        } catch {
          // What a broken piece left may count, or not: the next look tells.
          if let told = try? await upload.look(), !disk.isDown { acknowledged = max(acknowledged, told.offset) }
          break
        }
      }
      disk.faults = SimulatedDisk.FaultPlan()
      if random.percent(70) { disk.cutPower() } else { disk.kill() }
      store = try fixture.open(disk)
      upload = try store.resumable(id, owner: "ivanov")
      let told = try await upload.look().offset
      #expect(told >= promised && told <= sent, "seed \(seed): \(told) is not between \(promised) and \(sent)")
      let part = try #require(
        disk.files(below: "\(fixture.root)/data/staging")["\(fixture.root)/data/staging/\(id).part"])
      #expect(part == Array(bytes[..<told]), "seed \(seed): other bytes than were sent")
      acknowledged = told
    }
  }
}
