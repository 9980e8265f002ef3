internal import COpenSSL
internal import Core
public import Crypto

/// The TLS side of one server connection: pure non-blocking steps over a socket. Each step says what to wait for; waiting is
/// the caller's. Used by one task on one loop; the socket belongs to the caller and must outlive this.
public final class TLSConnection {
  /// What a step needs next.
  public enum Step: Sendable {
    case done
    /// Wait until the socket can be read, then call again. Flush first: the peer may be waiting for what is gathered.
    case wantsRead
    /// Wait until the socket can be written, then flush and call again.
    case wantsWrite
    /// The peer closed its side in order.
    case closed
    case failed(TLSError)
  }

  private let ssl: OpaquePointer
  private let loopContext: TLSLoopContext
  private let gather: UnsafeMutablePointer<artstore_gather>
  /// Gathered before one send(): 16 records.
  private static let gatherBytes: CInt = 1 << 18

  init(_ loopContext: TLSLoopContext, descriptor: CInt) throws(TLSError) {
    guard let ssl = SSL_new(loopContext.context) else { throw TLSError(openSSL: "making a TLS connection") }
    self.ssl = ssl
    self.loopContext = loopContext
    gather = .allocate(capacity: 1)
    gather.initialize(
      to: artstore_gather(fd: descriptor, capacity: Self.gatherBytes, length: 0, offset: 0, buffer: nil))
    guard artstore_gather_attach(ssl, loopContext.gatherMethod, gather) == 1 else {
      throw TLSError(openSSL: "making a TLS connection")
    }
    SSL_set_accept_state(ssl)
  }

  deinit {
    SSL_free(ssl)
    gather.pointee.length = 0
    artstore_gather_release(gather)
    gather.deallocate()
  }

  /// Goes on with the handshake. After `done` flush: the last flight may be gathered.
  public func handshake() -> Step { step(SSL_do_handshake(ssl), "TLS handshake") }

  /// Decrypts into `buffer` (not empty), at most one record at a time. A count above zero comes with `done`.
  public func read(into buffer: UnsafeMutableRawBufferPointer) -> (step: Step, count: Int) {
    let result = SSL_read(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
    return result > 0 ? (.done, Int(result)) : (step(result, "reading from a TLS connection"), 0)
  }

  /// Encrypts what fits; a count above zero comes with `done`, the rest is to be offered again. Nothing is sent before
  /// `flush` or a full gather buffer.
  public func write(_ bytes: UnsafeRawBufferPointer) -> (step: Step, count: Int) {
    guard !bytes.isEmpty else { return (.done, 0) }
    let result = SSL_write(ssl, bytes.baseAddress, CInt(clamping: bytes.count))
    return result > 0 ? (.done, Int(result)) : (step(result, "writing to a TLS connection"), 0)
  }

  /// Sends what is gathered.
  public func flush() -> Step {
    switch artstore_gather_flush(gather) {
    case 1: .done
    case 0: .wantsWrite
    default: .failed(TLSError("sending", reason: "the connection is broken"))
    }
  }

  /// Whether something is gathered that has not been sent.
  public var hasUnsentBytes: Bool { gather.pointee.length > 0 }

  /// Whether decrypted or undecrypted bytes are already here: then waiting for the socket would wait too long.
  public var hasUnreadBytes: Bool { SSL_has_pending(ssl) == 1 }

  /// Gives the gather buffer back while there is nothing in it: for idle connections.
  public func releaseBuffers() { artstore_gather_release(gather) }

  /// Queues close_notify; flush sends it.
  public func close() {
    SSL_shutdown(ssl)
    ERR_clear_error()
  }

  /// The client's verified certificate; nil without one. After the handshake only.
  public func peerCertificate() -> Certificate? {
    guard SSL_get_verify_result(ssl) == X509_V_OK, let peer = SSL_get1_peer_certificate(ssl) else { return nil }
    defer { X509_free(peer) }
    var encoded: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(peer, &encoded)
    guard count > 0, let encoded else { return nil }
    defer { artstore_free(encoded) }
    let der = Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
    return try? Certificate(der: der)  // what cannot be parsed again has no identity: the caller treats nil as nobody
  }

  /// Whether an earlier session was resumed.
  public var isResumed: Bool { SSL_session_reused(ssl) == 1 }

  /// Keying material that only the two ends have (RFC 8446 §7.5) with an empty context; nil before the handshake is done.
  public func exportKeyingMaterial(label: String, count: Int) -> [UInt8]? {
    guard SSL_is_init_finished(ssl) == 1 else { return nil }
    var out = [UInt8](repeating: 0, count: count)
    let bytes = label.utf8.count
    let isExported = SSL_export_keying_material(ssl, &out, count, label, bytes, nil, 0, 1) == 1
    return isExported ? out : nil
  }

  private func step(_ result: CInt, _ operation: String) -> Step {
    if result > 0 { return .done }
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_ZERO_RETURN: return .closed
    default: return .failed(TLSError(openSSL: operation))
    }
  }
}

/// Makes connections for one loop, with the newest set-up. Used on that loop's thread only.
public final class TLSAcceptor {
  private let server: TLSServerContext
  private var loopContext: TLSLoopContext

  public init(_ server: TLSServerContext) throws(TLSError) {
    self.server = server
    loopContext = try TLSLoopContext(server.generation)
  }

  /// A connection on a non-blocking socket that was just accepted.
  public func connection(descriptor: CInt) throws(TLSError) -> TLSConnection {
    if loopContext.generationNumber != server.generationNumber { loopContext = try TLSLoopContext(server.generation) }
    return try TLSConnection(loopContext, descriptor: descriptor)
  }
}
