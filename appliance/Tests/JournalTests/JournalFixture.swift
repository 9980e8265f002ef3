import Core
import Disk
import FoundationEssentials

@testable import Journal

/// A journal on the real disk in a directory of its own.
final class JournalFixture {
  let directory: String
  let disk: any Disk
  var configuration: JournalConfiguration
  static let appliance = FileID("0e2b1a4c-1111-4222-8333-444455556666")!

  struct FixedTime: TimeSource {
    func now() -> Timestamp { Timestamp(seconds: 1_795_000_000) }
    func uptime() -> Duration { .zero }
  }

  init(disk: any Disk = RealDisk()) throws {
    self.disk = disk
    directory = FileManager.default.temporaryDirectory.path + "/artstore-journal-\(UInt64.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    configuration = JournalConfiguration(directory: directory, appliance: Self.appliance, epoch: 7)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }  // a temporary directory

  func recover(attested: UInt64 = 0) throws -> JournalRecovery {
    try JournalRecovery(configuration, disk: disk, time: FixedTime(), attestedLSN: attested)
  }

  func start(attested: UInt64 = 0, incarnation: UInt64 = 1) throws -> Journal {
    try recover(attested: attested).start(incarnation: incarnation)
  }

  /// One batch of notes with these payloads.
  @discardableResult
  func commit(_ journal: Journal, _ payloads: [[UInt8]]) throws -> UInt64 {
    for payload in payloads { journal.add(.note) { $0.raw(payload) } }
    return try journal.commit()
  }

  /// The payloads of all notes.
  func notes(_ recovery: JournalRecovery) throws -> [[UInt8]] {
    var found: [[UInt8]] = []
    try recovery.read(after: 0) { (record) throws(Never) in
      if record.type == .note { found.append(Array(record.payload)) }
    }
    return found
  }

  func path(_ number: UInt64) -> String { configuration.segmentPath(number) }

  func bytes(_ number: UInt64) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path(number)))) }

  func write(_ bytes: [UInt8], _ number: UInt64) throws { try Data(bytes).write(to: URL(filePath: path(number))) }

  /// What opening says is wrong; nil when it opens.
  func refusal(attested: UInt64 = 0) -> JournalError? {
    do {
      _ = try recover(attested: attested)
      return nil
    } catch {
      return error as? JournalError
    }
  }
}
