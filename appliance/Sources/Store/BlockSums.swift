public import Core
internal import Crypto
internal import Disk
internal import Journal
internal import StorageAPI

// `state/sums/<first two digits>/<file id>.sums`, version 1: what the blocks of a large document have to be, so that a
// part of it can be checked before it is sent without reading the whole (decision 0110). Little-endian:
//
//     0  magic "ASTSUMS" and the version, 8 bytes
//     8  bytes of a block, 4
//    12  CRC-32C of what follows, 4
//    16  the document's size, 8
//    24  its SHA-256, 32
//    56  4 for each block: CRC-32C of the four CRC-32Cs of its quarters (`CRC32C.blockSum`)
//
// Derived: missing, damaged or another document's, it is made again by the next reader, who then reads the document
// whole and compares its SHA-256. Never synced, for the same reason.

/// A sum of each block of a document.
public struct BlockSums: Sendable, Hashable {
  /// Bytes of a block. A reader of a part reads one more at most; a GiB has 256 KiB of sums.
  public static let blockBytes = CRC32C.blockBytes
  /// Of documents up to this size no sums are kept: to read them whole once costs a few milliseconds.
  public static let keptFromBytes = 8 << 20

  private static let magic = Array("ASTSUMS".utf8) + [1]
  private static let headBytes = 56

  public private(set) var values: [UInt32] = []

  init(_ values: [UInt32]) { self.values = values }

  /// Whether these whole blocks, from `offset` on, are the document's.
  public func match(_ blocks: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    var number = offset / Self.blockBytes
    for start in stride(from: 0, to: blocks.count, by: Self.blockBytes) {
      let block = UnsafeRawBufferPointer(rebasing: blocks[start..<min(blocks.count, start + Self.blockBytes)])
      guard number < values.count, CRC32C.blockSum(block) == values[number] else { return false }
      number += 1
    }
    return true
  }

  /// The file, for a document of this size and checksum.
  func encoded(size: Int, checksum: Checksum) -> [UInt8] {
    var rest = BinaryWriter()
    rest.uint64(UInt64(size))
    rest.raw(checksum.bytes)
    for value in values { rest.uint32(value) }
    var file = BinaryWriter()
    file.raw(Self.magic)
    file.uint32(UInt32(Self.blockBytes))
    file.uint32(CRC32C.value(rest.bytes))
    file.raw(rest.bytes)
    return file.bytes
  }

  /// nil when the file is no sums of such a document, or not whole.
  init?(_ bytes: [UInt8], size: Int, checksum: Checksum) {
    guard bytes.count == Self.fileBytes(size: size), bytes.starts(with: Self.magic) else { return nil }
    var head = BinaryReader(bytes[8..<Self.headBytes])
    guard head.uint32() == UInt32(Self.blockBytes), head.uint32() == CRC32C.value(Array(bytes[16...])),
      head.uint64() == UInt64(size), bytes[24..<Self.headBytes].elementsEqual(checksum.bytes)
    else { return nil }
    var reader = BinaryReader(bytes[Self.headBytes...])
    while let value = reader.uint32() { values.append(value) }
  }

  static func fileBytes(size: Int) -> Int { headBytes + (size + blockBytes - 1) / blockBytes * 4 }
}

/// A document's SHA-256 and block sums, as its bytes come.
public struct DocumentDigest: ~Copyable, Sendable {
  private var whole: SHA256
  private var values: [UInt32] = []
  /// Of the block that is not full yet.
  private var rest: [UInt8] = []

  public init() { whole = SHA256() }

  /// Goes on with a digest that has seen `bytes`.
  init(_ digest: consuming SHA256, over bytes: [UInt8]) {
    whole = digest
    bytes.withUnsafeBytes { addSums($0) }
  }

  private init(_ whole: consuming SHA256, _ values: [UInt32], _ rest: [UInt8]) {
    self.whole = whole
    (self.values, self.rest) = (values, rest)
  }

  public mutating func update(_ bytes: [UInt8]) { update(bytes[...]) }

  public mutating func update(_ bytes: ArraySlice<UInt8>) {
    bytes.withUnsafeBytes {
      whole.update($0)
      addSums($0)
    }
  }

  public borrowing func copy() -> DocumentDigest { DocumentDigest(whole.copy(), values, rest) }

  public borrowing func current() -> Checksum { whole.current() }

  public var sums: BlockSums {
    BlockSums(rest.isEmpty ? values : values + [rest.withUnsafeBytes { CRC32C.blockSum($0) }])
  }

  private mutating func addSums(_ bytes: UnsafeRawBufferPointer) {
    let size = BlockSums.blockBytes
    var start = 0
    if !rest.isEmpty {
      start = min(bytes.count, size - rest.count)
      rest += bytes[..<start]
      guard rest.count == size else { return }
      values.append(rest.withUnsafeBytes { CRC32C.blockSum($0) })
      rest.removeAll(keepingCapacity: true)
    }
    while bytes.count - start >= size {
      values.append(CRC32C.blockSum(UnsafeRawBufferPointer(rebasing: bytes[start..<(start + size)])))
      start += size
    }
    rest += bytes[start...]
  }
}

extension Store {
  /// The sums that are kept of a document. Blocks.
  public func blockSums(of id: FileID, size: Int, checksum: Checksum) -> BlockSums? {
    let limit = BlockSums.fileBytes(size: size)
    let bytes = try? disk.contents(shared.tree.sumsPath(id), limit: limit)  // unreadable is as good as missing
    guard let bytes else { return nil }
    return BlockSums(bytes, size: size, checksum: checksum)
  }

  func keepSoon(_ sums: BlockSums, of record: FileRecord) async {
    guard record.size > BlockSums.keptFromBytes else { return }
    await workers.run { self.keep(sums, of: record.fileID, size: record.size, checksum: record.checksum) }
  }

  /// Keeps a document's sums if it is large. Blocks.
  public func keep(_ sums: BlockSums, of id: FileID, size: Int, checksum: Checksum) {
    guard size > BlockSums.keptFromBytes else { return }
    do throws(DiskError) {
      let path = shared.tree.sumsPath(id)
      try disk.makeDirectories(RealDisk.parent(of: path))
      let file = try disk.open(path, .replace)
      defer { file.close() }
      try file.write(sums.encoded(size: size, checksum: checksum), at: 0)
    } catch {
      // The next reader makes them again: they save him time, nothing else.
      return
    }
  }
}

extension DocumentTree {
  func sumsPath(_ id: FileID) -> String {
    let name = id.description
    return "\(root)/state/sums/\(name.prefix(2))/\(name).sums"
  }

  /// Of a document that is gone. What cannot be removed does no harm: it names the document it is of.
  func removeSums(of id: FileID) { try? disk.unlink(sumsPath(id)) }  // see the line above
}
