import COpenSSL
import Crypto
import Glibc
import TestKit

/// OpenSSL's own client over a blocking socket: what we must get on with.
final class TestClient {
  struct Failed: Error { let what: String }

  private let context: OpaquePointer
  private let ssl: OpaquePointer
  private let descriptor: CInt

  /// Takes the descriptor. `session` resumes an earlier one; `suite` is the only one that is offered.
  init(
    descriptor: CInt, trusting authority: String, showing credential: TestCredential?, session: OpaquePointer? = nil,
    suite: String? = nil
  ) throws {
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    self.descriptor = descriptor
    context = SSL_CTX_new(TLS_client_method())
    ssl = SSL_new(context)
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nil)
    let root = try Self.certificate(authority)
    defer { X509_free(root) }
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root)
    if let credential {
      let certificate = try Self.certificate(credential.certificate.pem)
      defer { X509_free(certificate) }
      let privateKey = Self.reading(credential.keyPEM) { PEM_read_bio_PrivateKey($0, nil, nil, nil) }
      defer { EVP_PKEY_free(privateKey) }
      guard SSL_use_certificate(ssl, certificate) == 1, SSL_use_PrivateKey(ssl, privateKey) == 1 else {
        throw Failed(what: "credential")
      }
    }
    if let suite, SSL_set_ciphersuites(ssl, suite) != 1 { throw Failed(what: "cipher suite") }
    if let session { SSL_set_session(ssl, session) }
    SSL_set_fd(ssl, descriptor)
  }

  deinit {
    // Without a goodbye OpenSSL calls the session bad and does not resume it.
    if SSL_is_init_finished(ssl) == 1 { SSL_shutdown(ssl) }
    SSL_free(ssl)
    SSL_CTX_free(context)
    close(descriptor)
  }

  private static func certificate(_ pem: String) throws -> OpaquePointer {
    guard let certificate = reading(pem, { PEM_read_bio_X509($0, nil, nil, nil) }) else {
      throw Failed(what: "certificate")
    }
    return certificate
  }

  /// The BIO reads where the bytes are: they must outlive it.
  private static func reading(_ text: String, _ read: (OpaquePointer?) -> OpaquePointer?) -> OpaquePointer? {
    Array(text.utf8).withUnsafeBytes { bytes in
      let bio = BIO_new_mem_buf(bytes.baseAddress, CInt(bytes.count))
      defer { BIO_free(bio) }
      return read(bio)
    }
  }

  func handshake() throws {
    guard SSL_connect(ssl) == 1 else { throw Failed(what: "handshake: \(ERR_peek_error())") }
  }

  func send(_ bytes: [UInt8]) throws {
    guard SSL_write(ssl, bytes, CInt(bytes.count)) == CInt(bytes.count) else { throw Failed(what: "write") }
  }

  func receive(_ count: Int) throws -> [UInt8] {
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while all.count < count {
      let got = SSL_read(ssl, &piece, CInt(min(piece.count, count - all.count)))
      guard got > 0 else { throw Failed(what: "read after \(all.count): \(SSL_get_error(ssl, got))") }
      all += piece[..<Int(got)]
    }
    return all
  }

  var version: String { String(cString: SSL_get_version(ssl)) }
  var suite: String { String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))) }
  var isResumed: Bool { SSL_session_reused(ssl) == 1 }
  /// To be freed by whoever asked.
  var session: OpaquePointer? { SSL_get1_session(ssl) }

  /// The subject's key of the certificate that the server showed.
  func serverSPKI() throws -> [UInt8] {
    guard let peer = SSL_get1_peer_certificate(ssl) else { throw Failed(what: "no server certificate") }
    defer { X509_free(peer) }
    var encoded: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(peer, &encoded)
    defer { artstore_free(encoded) }
    return try Certificate(der: Array(UnsafeBufferPointer(start: encoded, count: Int(count)))).spki
  }

  func export(_ label: String, _ count: Int) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: count)
    SSL_export_keying_material(ssl, &out, count, label, label.utf8.count, nil, 0, 1)
    return out
  }
}
