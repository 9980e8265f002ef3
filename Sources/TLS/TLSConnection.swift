internal import COpenSSL
internal import Core
internal import Crypto
internal import Reactor

/// The TLS side of one server connection: pure non-blocking steps over a socket. What is to be sent is gathered in
/// `output`,
/// which the caller flushes; each step says what to wait for. Used by one task on one loop; the socket belongs to the
/// caller
/// and must outlive this.
public final class TLSConnection {
  /// What a step needs next.
  public enum Step: Sendable {
    case done
    /// Flush `output`, for the peer may be waiting for it; wait until the socket can be read; call again.
    case wantsRead
    /// Flush `output`, waiting for the socket if need be, and call again.
    case wantsWrite
    /// The peer closed its side in order.
    case closed
    case failed(TLSError)
  }

  private let ssl: OpaquePointer
  private let loopContext: TLSLoopContext
  /// The set-up whose authorities the client was last verified by.
  private(set) var verifiedGeneration: Int
  private let gather: UnsafeMutablePointer<artstore_gather>
  private let output: SendBuffer
  /// A record's largest plaintext (RFC 8446 §5.1).
  private static let recordBytes = 16_384

  init(_ loopContext: TLSLoopContext, descriptor: CInt, output: SendBuffer) throws(TLSError) {
    guard let ssl = SSL_new(loopContext.context) else { throw TLSError(openSSL: "making a TLS connection") }
    self.ssl = ssl
    self.loopContext = loopContext
    verifiedGeneration = loopContext.generationNumber
    self.output = output
    gather = .allocate(capacity: 1)
    gather.initialize(to: artstore_gather(fd: descriptor, drained: 0, capacity: 0, length: 0, window: nil))
    guard artstore_gather_attach(ssl, loopContext.gatherMethod, gather) == 1 else {
      throw TLSError(openSSL: "making a TLS connection")
    }
    SSL_set_accept_state(ssl)
  }

  deinit {
    SSL_free(ssl)
    gather.deallocate()
  }

  /// Goes on with the handshake. After `done` flush: the last flight is gathered.
  public func handshake() -> Step {
    if output.isFull { return .wantsWrite }
    lendOutput()
    let result = loopContext.shaking { SSL_do_handshake(ssl) }
    takeBackOutput()
    if result > 0 { artstore_drop_known_issuers(ssl, loopContext.context) }
    return step(result, "TLS handshake")
  }

  /// Decrypts into `buffer` (not empty), at most one record at a time. A count above zero comes with `done`.
  public func read(into buffer: UnsafeMutableRawBufferPointer) -> (step: Step, count: Int) {
    // Reading rarely answers (alerts, key updates), so it gets memory of the loop's and idle connections borrow none.
    gather.pointee.window = loopContext.aside.baseAddress
    gather.pointee.capacity = CInt(loopContext.aside.count)
    let result = SSL_read(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
    let answered = Int(gather.pointee.length)
    gather.pointee.length = 0
    if answered > 0 {
      let answer = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: loopContext.aside[..<answered]))
      guard output.append(answer) == answered else {
        return (.failed(TLSError("reading", reason: "the peer asks for answers and does not read them")), 0)
      }
    }
    return result > 0 ? (.done, Int(result)) : (step(result, "reading from a TLS connection"), 0)
  }

  /// Encrypts into `output` what fits and returns how many bytes were taken; 0 when `output` is full: flush and offer
  /// again.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int {
    var taken = 0
    let recordBytes = min(Self.recordBytes, output.pieceMax)
    while taken < bytes.count, !output.isFull, let base = bytes.baseAddress {
      lendOutput()
      // A record always fits then, so OpenSSL never has to be offered the same bytes again.
      let result = SSL_write(ssl, base + taken, CInt(min(recordBytes, bytes.count - taken)))
      takeBackOutput()
      guard result > 0 else { throw TLSError(openSSL: "writing to a TLS connection") }
      taken += Int(result)
    }
    return taken
  }

  /// Read in one go while much is expected: fewer system calls; the memory goes back whenever nothing is left in it.
  /// Eight records as they come (RFC 8446 §5.2: 5 + 16,384 + 1 + 16 bytes) and what OpenSSL aligns them by: with a
  /// little less the last one of them would need a system call of its own for its end.
  private static let longReadAheadBytes = 8 * 16_406 + 3

  /// Says whether many records are expected, from the next time that nothing is left to read.
  public func expectsMuch(_ isMuch: Bool) {
    SSL_set_default_read_buffer_len(ssl, isMuch ? Self.longReadAheadBytes : Int(TLSLoopContext.readAheadBytes))
  }

  /// Whether nothing was left to read, decrypted or not, when the socket was last asked.
  public var isDrained: Bool { gather.pointee.drained != 0 && SSL_has_pending(ssl) == 0 }

  /// Something may have come since the socket was last asked.
  public func noteReadable() { gather.pointee.drained = 0 }

  private func lendOutput() {
    let room = output.room()
    gather.pointee.window = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
    gather.pointee.capacity = CInt(room.count)
  }

  private func takeBackOutput() {
    output.commit(Int(gather.pointee.length))
    gather.pointee.length = 0
  }

  /// Queues close_notify in `output`.
  public func close() {
    guard !output.isFull else { return }
    lendOutput()
    SSL_shutdown(ssl)
    takeBackOutput()
    ERR_clear_error()
  }

  /// Who the client is by its verified certificate; nil without one. After the handshake only. The key that was let in
  /// past its certificate's dates comes without an identity: whoever looks for one sees nobody.
  public func peer() -> TLSPeer? {
    guard let certificate = SSL_get0_peer_certificate(ssl) else { return nil }
    switch CInt(SSL_get_verify_result(ssl)) {
    case X509_V_OK: return read(certificate)
    case X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED: return read(certificate)?.withoutIdentity
    default: return nil
    }
  }

  private func read(_ certificate: OpaquePointer) -> TLSPeer? {
    var encoded: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(certificate, &encoded)
    guard count > 0, let encoded else { return nil }
    defer { artstore_free(encoded) }
    return loopContext.peers.peer(Array(UnsafeBufferPointer(start: encoded, count: Int(count))))
  }

  /// OpenSSL does not verify a resumed session's certificate again. Its ticket shows that it was verified under this
  /// very set-up, so only time can have changed the verdict. Ask after the handshake; true for clients without a
  /// certificate.
  public var isStillTrusted: Bool {
    !isResumed || SSL_get_verify_result(ssl) != Int(X509_V_OK) || artstore_dates_fit(ssl) == 1
  }

  func verifyAgain(by newest: TLSLoopContext) -> Bool {
    guard verify(by: newest) else { return false }
    verifiedGeneration = newest.generationNumber
    return true
  }

  private func verify(by context: TLSLoopContext) -> Bool {
    guard SSL_get0_peer_certificate(ssl) != nil else { return true }
    // The pinned key that came past its dates has no identity to lose, and is judged at each request.
    guard SSL_get_verify_result(ssl) == Int(X509_V_OK) else { return true }
    return artstore_verify_again(context.context, ssl) == 1
  }

  /// Whether an earlier session was resumed.
  public var isResumed: Bool { SSL_session_reused(ssl) == 1 }

  /// Keying material that only the two ends have (RFC 8446 §7.5) with an empty context; nil before the handshake is
  /// done.
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
