public import Core
internal import Crypto
public import Disk

/// Sealed segments as LZ4 frames in `archive/`, for audits, for repairs, and for `lz4 -d`.
public final class JournalArchive: Sendable {
  private let configuration: JournalConfiguration
  private let disk: any Disk
  static let segmentBytesMax = 64 << 20

  public init(_ configuration: JournalConfiguration, disk: any Disk) throws(DiskError) {
    self.configuration = configuration
    self.disk = disk
    try disk.makeDirectories(configuration.archiveDirectory)
  }

  public var directory: String { configuration.archiveDirectory }

  /// Where the chain begins after pruning: the last pruned segment.
  public struct Anchor: Sendable, Hashable, Codable {
    public var version = 1
    public let number: UInt64
    public let lastLSN: UInt64
    /// SHA-256 of the raw segment, as the next one's header repeats it.
    public let hash: Checksum
  }

  /// Archives a sealed segment, verifies the copy past the page cache, then removes the raw file. Only for segments
  /// whose every change is durable elsewhere. Doing it again after a crash is harmless.
  public func take(_ segment: SealedSegment) throws(JournalError) {
    let raw = configuration.segmentPath(segment.number)
    do throws(DiskError) {
      guard let bytes = try disk.contents(raw, limit: Self.segmentBytesMax) else { return }
      try write(bytes, number: segment.number)
      guard try verify(bytes, number: segment.number) else {
        throw DiskError.failed("verify", path(segment.number))
      }
      try disk.reached(.archiveVerified)
      try disk.unlink(raw)
      try disk.syncDirectory(configuration.directory)
      try disk.reached(.segmentRemoved)
    } catch {
      throw error.isFull ? .full(error) : .disk(error)
    }
  }

  private func write(_ bytes: [UInt8], number: UInt64) throws(DiskError) {
    let frame: [UInt8]
    do throws(LZ4Frame.Failure) {
      frame = try LZ4Frame.compress(bytes)
    } catch {
      throw DiskError("compress (\(error.message))", path(number), code: 12)
    }
    let temporary = path(number) + ".tmp"
    let file = try disk.open(temporary, .replace)
    defer { file.close() }
    try file.write(frame, at: 0)
    try file.sync()
    try disk.reached(.archiveWritten)
    try disk.rename(temporary, to: path(number))
    try disk.syncDirectory(directory)
    try disk.reached(.archiveRenamed)
  }

  private func verify(_ bytes: [UInt8], number: UInt64) throws(DiskError) -> Bool {
    let file = try disk.open(path(number), .read)
    defer { file.close() }
    file.dropCache()
    let frame = try file.contents(limit: Self.segmentBytesMax * 2)
    do throws(LZ4Frame.Failure) {
      return try LZ4Frame.decompress(frame, limit: Self.segmentBytesMax) == bytes
    } catch {
      return false
    }
  }

  /// Removes the oldest archives until at most `limit` bytes are left. The anchor is durable before anything is
  /// removed.
  public func prune(toBytes limit: Int) throws(JournalError) {
    try prune { _, bytes in bytes > limit }
  }

  /// Removes archives that were made before `time`; the newest stays.
  public func prune(before time: Timestamp) throws(JournalError) {
    try prune { oldest, _ in oldest.modifiedMicroseconds < time.microseconds }
  }

  /// Removes the oldest while `isDue`, which hears of it and of the bytes that all archives take together.
  private func prune(_ isDue: (PathStatus, Int) -> Bool) throws(JournalError) {
    do throws(DiskError) {
      var kept: [(number: UInt64, status: PathStatus)] = []
      for number in try numbers() { if let status = try disk.stat(path(number)) { kept.append((number, status)) } }
      var total = kept.reduce(0) { $0 + $1.status.size }
      for (number, status) in kept.dropLast() {
        guard isDue(status, total) else { return }
        try writeAnchor(number)
        try disk.unlink(path(number))
        try disk.reached(.archivePruned)
        total -= status.size
      }
    } catch {
      throw .disk(error)
    }
  }

  private func writeAnchor(_ number: UInt64) throws(DiskError) {
    do throws(JournalError) {
      let bytes = try read(number)
      var reader = try SegmentReader(bytes, file: path(number))
      while case .record = reader.next() {}
      try write(Anchor(number: number, lastLSN: reader.lastLSN, hash: SHA256.digest(bytes)))
    } catch {
      if case .disk(let error) = error { throw error }
      throw DiskError("prune (\(error))", path(number), code: 5)
    }
  }

  func write(_ anchor: Anchor) throws(JournalError) {
    let file = "\(directory)/anchor.json"
    let bytes: [UInt8]
    do { bytes = try JSON.encode(anchor) } catch { throw .damaged(file: file, offset: 0, reason: "\(error)") }
    do throws(DiskError) { try disk.replace(file, with: bytes) } catch { throw .disk(error) }
  }

  public func anchor() throws(JournalError) -> Anchor? {
    let file = "\(directory)/anchor.json"
    let bytes: [UInt8]?
    do throws(DiskError) { bytes = try disk.contents(file, limit: 4096) } catch { throw .disk(error) }
    guard let bytes else { return nil }
    do {
      return try JSON.decode(Anchor.self, from: bytes)
    } catch {
      throw .damaged(file: file, offset: 0, reason: JSON.explain(error))
    }
  }

  /// The archived segments' numbers, ascending.
  public func numbers() throws(DiskError) -> [UInt64] {
    try disk.list(directory).compactMap { SegmentName.number($0.name, suffix: ".lz4") }.sorted()
  }

  /// A segment's raw bytes.
  func read(_ number: UInt64) throws(JournalError) -> [UInt8] {
    let frame: [UInt8]?
    do throws(DiskError) {
      frame = try disk.contents(path(number), limit: Self.segmentBytesMax * 2)
    } catch {
      throw .disk(error)
    }
    guard let frame else { throw .damaged(file: path(number), offset: 0, reason: "the archived segment is missing") }
    do throws(LZ4Frame.Failure) {
      return try LZ4Frame.decompress(frame, limit: Self.segmentBytesMax)
    } catch {
      throw .damaged(file: path(number), offset: 0, reason: "the archive does not decompress: \(error.message)")
    }
  }

  /// The first `count` raw bytes of a segment; its checksums are not looked at.
  func head(_ number: UInt64, count: Int) throws(JournalError) -> [UInt8] {
    let frame: [UInt8]
    do throws(DiskError) {
      let file = try disk.open(path(number), .read)
      defer { file.close() }
      // One block of the frame holds what is asked for; blocks have 64 KiB at most and are seldom larger packed.
      frame = try file.read(at: 0, count: Self.headBytes)
    } catch {
      throw .disk(error)
    }
    do throws(LZ4Frame.Failure) {
      return try LZ4Frame.head(frame, count: count)
    } catch {
      throw .damaged(file: path(number), offset: 0, reason: "the archive does not decompress: \(error.message)")
    }
  }

  private static let headBytes = 128 << 10

  func path(_ number: UInt64) -> String { "\(directory)/\(SegmentName.text(number)).lz4" }
}
