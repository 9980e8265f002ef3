internal import CTLS

/// Whose AES-GCM seals and opens records.
enum RecordCiphers: Sendable {
  /// Ours where the processor has what it needs (`Sources/CTLS/gcm.c`), OpenSSL's elsewhere.
  case fastest
  /// OpenSSL's, as on other processors.
  case openSSL

  var areOurs: Bool { self == .fastest && artstore_gcm_is_available() == 1 }
}

extension TLSServerContext {
  /// Whose AES-GCM seals records on this machine: `ipsec-mb` or `openssl`.
  public static var recordCipher: String { RecordCiphers.fastest.areOurs ? "ipsec-mb" : "openssl" }
}
