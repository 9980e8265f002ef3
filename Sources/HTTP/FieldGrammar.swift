/// Character classes of RFC 9110 §5.6.2.
enum FieldGrammar {
  // One bit a character, 0–63 and 64–127: digits, letters and !#$%&'*+-.^_`|~
  private static let tokenLow: UInt64 = 0x03FF_6CFA_0000_0000
  private static let tokenHigh: UInt64 = 0x57FF_FFFF_C7FF_FFFE

  /// `tchar`.
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    let mask = byte < 64 ? tokenLow : tokenHigh
    return byte < 128 && (mask >> UInt64(byte & 63)) & 1 == 1
  }

  /// What a field value may hold: HTAB, SP, visible ASCII, obs-text.
  @inline(__always)
  static func isFieldContent(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7F) || byte == 0x09 }
}
