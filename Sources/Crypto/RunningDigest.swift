internal import COpenSSL

/// A digest of one of several algorithms, computed while bytes pass by: for what a client declares about a piece of a
/// transfer. Documents are kept by `SHA256`.
public final class RunningDigest {
  public enum Algorithm: String, Sendable, CaseIterable {
    /// Against accidents on the way only; tus clients know no other by heart.
    case sha1
    case sha256

    /// Bytes of a digest.
    public var count: Int { self == .sha1 ? 20 : 32 }
  }

  private let context: OpaquePointer

  public init(_ algorithm: Algorithm) {
    guard let context = EVP_MD_CTX_new(),
      EVP_DigestInit_ex(context, algorithm == .sha1 ? EVP_sha1() : EVP_sha256(), nil) == 1
    else { fatalError("OpenSSL has no \(algorithm.rawValue): nothing can be verified") }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public func update(_ bytes: [UInt8]) {
    let status = bytes.withUnsafeBytes { bytes in
      bytes.isEmpty ? 1 : EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }
    precondition(status == 1, "a digest of bytes in memory cannot fail")
  }

  /// The digest. Nothing may follow.
  public func finish() -> [UInt8] {
    var out = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    let status = EVP_DigestFinal_ex(context, &out, &count)
    precondition(status == 1, "a digest ends once")
    return Array(out.prefix(Int(count)))
  }
}
