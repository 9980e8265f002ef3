internal import CDisk

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4), by the processor's instruction where there is one.
public enum CRC32C {
  /// Of `bytes`, continuing from `crc`.
  public static func value(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    artstore_crc32c(crc, bytes.baseAddress, bytes.count)
  }

  /// Of `bytes`.
  public static func value(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { value($0) } }

  /// Bytes of a block for `blockSum`.
  public static let blockBytes = Int(ARTSTORE_BLOCK_BYTES)

  /// Of the four values (little-endian) of a block's quarters, 4096 bytes each, which are computed at once. A shorter
  /// block has shorter quarters, or of none the value 0.
  public static func blockSum(_ block: UnsafeRawBufferPointer) -> UInt32 {
    precondition(block.count <= blockBytes)
    return artstore_block_sum(block.baseAddress, block.count)
  }

  /// The same by table, so that tests compare both ways.
  public static func portableValue(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { artstore_crc32c_portable(0, $0.baseAddress, $0.count) }
  }
}
