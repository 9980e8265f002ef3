internal import COpenSSL
public import Core

/// SHA-256 (FIPS 180-4), computed while bytes pass by. Not copied: `current()` gives the digest so far.
public struct SHA256: ~Copyable, @unchecked Sendable {  // owns its context alone; moved, never shared
  private let context: OpaquePointer
  /// Fetched once: OpenSSL 3 would search its providers for each digest.
  private nonisolated(unsafe) static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)  // never changes once fetched

  private init(_ context: OpaquePointer) { self.context = context }

  public init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, Self.algorithm, nil) == 1 else {
      fatalError("OpenSSL has no SHA-256: nothing can be verified")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    let status = EVP_DigestUpdate(context, base, bytes.count)
    precondition(status == 1, "SHA-256 of bytes in memory cannot fail")
  }

  public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  public mutating func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }

  /// The digest of everything so far; more may follow.
  public borrowing func current() -> Checksum { copy().finish() }

  /// A second one that has seen the same bytes.
  public borrowing func copy() -> SHA256 {
    guard let copy = EVP_MD_CTX_new(), EVP_MD_CTX_copy_ex(copy, context) == 1 else {
      fatalError("out of memory copying a digest")
    }
    return SHA256(copy)
  }

  public consuming func finish() -> Checksum { Self.end(context) }

  public static func digest(_ bytes: [UInt8]) -> Checksum {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  public static func digest(_ bytes: some Sequence<UInt8>) -> Checksum {
    var hash = SHA256()
    hash.update(Array(bytes))
    return hash.finish()
  }

  private static func end(_ context: OpaquePointer) -> Checksum {
    var out = [UInt8](repeating: 0, count: 32)
    let status = EVP_DigestFinal_ex(context, &out, nil)
    guard status == 1, let sum = Checksum(bytes: out) else { fatalError("SHA-256 always ends in 32 bytes") }
    return sum
  }
}
