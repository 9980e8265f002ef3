public import Core
internal import Crypto
public import Disk

/// Reads a whole journal, raw and archived, without changing anything: for `journal list`, `verify`, `show`, for
/// `fsck`, and for repairs from history.
public struct JournalInspection: Sendable {
  private let configuration: JournalConfiguration
  private let disk: any Disk
  let archive: JournalArchive

  public init(_ configuration: JournalConfiguration, disk: any Disk) throws(JournalError) {
    self.configuration = configuration
    self.disk = disk
    do throws(DiskError) { archive = try JournalArchive(configuration, disk: disk) } catch { throw .disk(error) }
  }

  /// A segment, as far as it could be read.
  public struct Segment: Sendable, Hashable {
    public let number: UInt64
    public let file: String
    public let isArchived: Bool
    /// Size of the file as it lies there.
    public let fileBytes: Int
    public let rawBytes: Int
    public let firstLSN: UInt64
    public let lastLSN: UInt64
    public let records: Int
    public let epoch: UInt64
    public let created: Timestamp
    public let hash: Checksum
    /// The hash that this segment's header gives for the one before it.
    public let previous: Checksum
    /// Bytes after the last whole record, and why they are none; nil when there are none.
    public let tail: String?
  }

  /// What `verify` found: segments in order, and every break of the chain.
  public struct Verification: Sendable {
    public var segments: [Segment] = []
    public var problems: [String] = []
    /// History before this was pruned; nil: it begins with segment 1.
    public var anchor: JournalArchive.Anchor?
    public var isSound: Bool { problems.isEmpty }
  }

  /// The numbers of all segments, each with whether it is archived; a segment that is both counts as raw.
  public func numbers() throws(JournalError) -> [(number: UInt64, isArchived: Bool)] {
    do throws(DiskError) {
      let raw = try JournalRecovery.segments(in: configuration.directory, disk: disk)
      let archived = try archive.numbers().filter { !raw.contains($0) }
      let all: [(number: UInt64, isArchived: Bool)] = archived.map { ($0, true) } + raw.map { ($0, false) }
      return all.sorted { $0.number < $1.number }
    } catch {
      throw .disk(error)
    }
  }

  /// Checks every record and the chain of hashes from the anchor to the end: a changed, removed or reordered segment
  /// shows. `progress` hears the number done and of how many.
  public func verify(progress: (Int, Int) -> Void = { _, _ in }) throws(JournalError) -> Verification {
    var result = Verification()
    result.anchor = try archive.anchor()
    let numbers = try numbers()
    var expected: (number: UInt64, lsn: UInt64, hash: Checksum?)
    if let anchor = result.anchor {
      expected = (anchor.number + 1, anchor.lastLSN + 1, anchor.hash)
    } else {
      expected = (1, 1, SegmentHeader.nothingBefore)
    }
    for (place, (number, isArchived)) in numbers.enumerated() {
      progress(place, numbers.count)
      // Archived again or not yet pruned: before the anchor nothing is promised.
      if let anchor = result.anchor, number <= anchor.number { continue }
      do throws(JournalError) {
        let segment = try segment(number, isArchived: isArchived) { _ in }
        compare(segment, expected, isLast: place == numbers.count - 1, &result)
        result.segments.append(segment)
        expected = (number + 1, segment.lastLSN + 1, segment.hash)
      } catch {
        result.problems.append(error.description)
        expected = (number + 1, expected.lsn, nil)
      }
    }
    progress(numbers.count, numbers.count)
    return result
  }

  private func compare(
    _ segment: Segment, _ expected: (number: UInt64, lsn: UInt64, hash: Checksum?), isLast: Bool,
    _ result: inout Verification
  ) {
    if segment.number != expected.number {
      let missing =
        segment.number == expected.number + 1
        ? "segment \(expected.number)"
        : "segments \(expected.number) to \(segment.number - 1)"
      result.problems.append("\(missing) missing before \(segment.file)")
    } else if let hash = expected.hash {
      if segment.previous != hash {
        result.problems.append(
          "\(segment.file): SHA-256 of the segment before it is not what its header gives")
      }
      if segment.firstLSN != expected.lsn {
        result.problems.append("\(segment.file) begins at LSN \(segment.firstLSN), \(expected.lsn) follows")
      }
    }
    if let tail = segment.tail {
      result.problems.append("\(segment.file): \(tail)\(isLast ? " (a torn tail is cut at the next start)" : "")")
    }
  }

  /// Calls `visit` with every record of every segment, oldest first. Stops at the first damage.
  public func read(_ visit: (UInt64, Record) -> Void) throws(JournalError) {
    for (number, isArchived) in try numbers() {
      _ = try segment(number, isArchived: isArchived) { visit(number, $0) }
    }
  }

  /// Calls `visit` with the records of one segment after another, newest segment first, each oldest record first, until
  /// `isDone` says so after a segment. One segment is in memory at a time. `unreadable` hears of damaged ones; reading
  /// goes on before them. Works beside a running journal: what is appended or archived meanwhile may be missed.
  public func readBackwards(
    _ visit: (UInt64, Record) -> Void, isDone: () -> Bool, unreadable: (JournalError) -> Void
  ) throws(JournalError) {
    for (number, isArchived) in try numbers().reversed() {
      do throws(JournalError) {
        _ = try segment(number, isArchived: isArchived) { visit(number, $0) }
      } catch {
        do throws(JournalError) {
          // Archived between the listing and now?
          guard !isArchived, try hasArchived(number) else { throw error }
          _ = try segment(number, isArchived: true) { visit(number, $0) }
        } catch {
          unreadable(error)
        }
      }
      if isDone() { return }
    }
  }

  /// Where kept history begins: the oldest segment; nil when there is none.
  public func oldest() throws(JournalError) -> Segment? {
    guard let (number, isArchived) = try numbers().first else { return nil }
    return try segment(number, isArchived: isArchived) { _ in }
  }

  public func oldestNumber() throws(JournalError) -> UInt64? { try numbers().first?.number }

  /// LSN up to which history was pruned; 0 when it is whole.
  public func floor() throws(JournalError) -> UInt64 { try archive.anchor()?.lastLSN ?? 0 }

  /// The head of a segment alone. A raw one may be archived between the listing and now.
  func header(_ number: UInt64, isArchived: Bool) throws(JournalError) -> SegmentHeader {
    if !isArchived {
      let file = configuration.segmentPath(number)
      var raw: [UInt8]?
      do throws(DiskError) {
        if try disk.stat(file) != nil {
          let open = try disk.open(file, .read)
          defer { open.close() }
          raw = try open.read(at: 0, count: SegmentHeader.size)
        }
      } catch {
        guard error.isMissing else { throw .disk(error) }
      }
      if let raw { return try SegmentHeader(raw[...], file: file) }
    }
    return try SegmentHeader(archive.head(number, count: SegmentHeader.size)[...], file: archive.path(number))
  }

  /// SHA-256 of a sealed segment's bytes. A raw one may be archived between the listing and now.
  func hash(_ number: UInt64, isArchived: Bool) throws(JournalError) -> Checksum {
    do throws(JournalError) {
      return try segment(number, isArchived: isArchived) { _ in }.hash
    } catch {
      guard !isArchived, try hasArchived(number) else { throw error }
      return try segment(number, isArchived: true) { _ in }.hash
    }
  }

  private func hasArchived(_ number: UInt64) throws(JournalError) -> Bool {
    do throws(DiskError) { return try disk.stat(archive.path(number)) != nil } catch { throw .disk(error) }
  }

  private func segment(
    _ number: UInt64, isArchived: Bool, _ visit: (Record) -> Void
  ) throws(JournalError) -> Segment {
    let file = isArchived ? archive.path(number) : configuration.segmentPath(number)
    let bytes: [UInt8]
    let fileBytes: Int
    do throws(DiskError) {
      fileBytes = try disk.stat(file)?.size ?? 0
      if isArchived {
        bytes = []
      } else {
        bytes = try disk.contents(file, limit: JournalArchive.segmentBytesMax) ?? []
      }
    } catch {
      throw .disk(error)
    }
    var reader = try SegmentReader(isArchived ? archive.read(number) : bytes, file: file)
    guard reader.header.number == number else {
      throw .damaged(file: file, offset: 16, reason: "it says to be segment \(reader.header.number)")
    }
    var records = 0
    var tail: String?
    reading: while true {
      switch reader.next() {
      case .record(let record):
        if record.type.takesLSN { records += 1 }
        visit(record)
      case .end(.clean): break reading
      case .end(.bad(let reason)):
        tail = "\(reason) at byte \(reader.offset), after LSN \(reader.lastLSN)"
        break reading
      }
    }
    return Segment(
      number: number, file: file, isArchived: isArchived, fileBytes: fileBytes, rawBytes: reader.whole.count,
      firstLSN: reader.header.firstLSN, lastLSN: reader.lastLSN, records: records, epoch: reader.header.epoch,
      created: reader.header.created, hash: SHA256.digest(reader.whole), previous: reader.header.previous, tail: tail)
  }
}
