internal import CDisk

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4), by the processor's instruction where there is one.
public enum CRC32C {
  /// Of `bytes`, continuing from `crc`.
  public static func value(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    artstore_crc32c(crc, bytes.baseAddress, bytes.count)
  }

  /// Of `bytes`.
  public static func value(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { value($0) } }

  /// The same by table, so that tests compare both ways.
  public static func portableValue(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { artstore_crc32c_portable(0, $0.baseAddress, $0.count) }
  }
}
