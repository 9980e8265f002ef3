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
    let path = configuration.segmentPath(segment.number)
    do throws(DiskError) {
      guard try disk.stat(path) != nil else { return }
      let raw = try disk.open(path, .read)
      defer { raw.close() }
      // Without the zeros of a file that was made ahead.
      let count = min(try raw.size(), segment.bytes)
      let checksum = try write(raw, count: count, number: segment.number)
      guard try verify(raw, count: count, number: segment.number, checksum: checksum) else {
        throw DiskError.failed("verify", self.path(segment.number))
      }
      try disk.reached(.archiveVerified)
      try removeRaw([segment.number])
    } catch {
      throw error.isFailedSync ? .failed(error) : error.isFull ? .full(error) : .disk(error)
    }
  }

  /// Removes raw segments that the archive holds.
  func removeRaw(_ numbers: [UInt64]) throws(DiskError) {
    for number in numbers { try disk.unlink(configuration.segmentPath(number)) }
    try disk.syncDirectory(configuration.directory, .segmentRemoval)
    try disk.reached(.segmentRemoved)
  }

  /// What is read and written at once.
  private static let pieceBytes = 256 << 10

  /// The frame's last bytes: the checksum of its content.
  private func write(_ raw: any DiskFile, count: Int, number: UInt64) throws(DiskError) -> [UInt8] {
    let temporary = path(number) + ".tmp"
    let file = try disk.openAnew(temporary)
    defer { file.close() }
    func compressed<Result>(_ body: () throws(LZ4Frame.Failure) -> Result) throws(DiskError) -> Result {
      do throws(LZ4Frame.Failure) {
        return try body()
      } catch {
        throw DiskError("compress (\(error.message))", path(number), code: 12)
      }
    }
    let frame = try compressed { () throws(LZ4Frame.Failure) in try LZ4Frame.Writer(count: count) }
    var held = try compressed { () throws(LZ4Frame.Failure) in try frame.begin() }
    var (place, at) = (0, 0)
    while place < count {
      let piece = try raw.read(at: place, count: min(Self.pieceBytes, count - place))
      if piece.isEmpty { break }
      place += piece.count
      held += try compressed { () throws(LZ4Frame.Failure) in try frame.add(piece) }
      guard held.count >= Self.pieceBytes else { continue }
      try file.write(held, at: at)
      at += held.count
      held.removeAll(keepingCapacity: true)
    }
    let end = try compressed { () throws(LZ4Frame.Failure) in try frame.end() }
    held += end
    try file.write(held, at: at)
    try file.sync(.archiveBytes)
    try disk.reached(.archiveWritten)
    try disk.rename(temporary, to: path(number))
    try disk.syncDirectory(directory, .archiveName)
    try disk.reached(.archiveRenamed)
    return Array(end.suffix(LZ4Frame.checksumBytes))
  }

  /// Compares every byte, so that the content's checksum need not be computed again: the one in the frame must be the
  /// writer's.
  private func verify(
    _ raw: any DiskFile, count: Int, number: UInt64, checksum: [UInt8]
  ) throws(DiskError) -> Bool {
    let file = try disk.open(path(number), .read)
    defer { file.close() }
    file.dropCache()
    let frame: LZ4Frame.Reader
    do throws(LZ4Frame.Failure) { frame = try LZ4Frame.Reader(isCompared: true) } catch { return false }
    var (place, at) = (0, 0)
    var end: [UInt8] = []
    var isSame = true
    while isSame {
      let piece = try file.read(at: at, count: Self.pieceBytes)
      if piece.isEmpty { break }
      at += piece.count
      end = end.suffix(LZ4Frame.checksumBytes) + piece.suffix(LZ4Frame.checksumBytes)
      do throws(LZ4Frame.ReadError<DiskError>) {
        try frame.add(piece) { (content) throws(DiskError) in
          if isSame { isSame = content.isSame(as: try raw.read(at: place, count: content.count)) }
          place += content.count
        }
      } catch {
        switch error {
        case .frame: return false
        case .stopped(let failure): throw failure
        }
      }
    }
    do throws(LZ4Frame.Failure) { try frame.end() } catch { return false }
    return isSame && place == count && end.suffix(LZ4Frame.checksumBytes) == checksum[...]
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
      throw error.isFailedSync ? .failed(error) : .disk(error)
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
