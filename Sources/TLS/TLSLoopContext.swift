internal import COpenSSL
internal import CTLS
internal import Core

/// One loop's OpenSSL context. Used on that loop's thread only; `TLSConnection` keeps it alive.
final class TLSLoopContext {
  let generationNumber: Int
  let context: OpaquePointer
  let gatherMethod: OpaquePointer
  /// What handshakes need of OpenSSL, and nothing that they would have to search.
  private let library: OpaquePointer
  /// All of it: what `library` borrows from, and what reads private keys.
  private let whole: OpaquePointer
  private var providers: artstore_providers
  /// What reading may have to answer is put here.
  let aside = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 4096)

  var peers = PeerCache()

  /// What OpenSSL's callbacks read while the context lives.
  private let facts = UnsafeMutablePointer<artstore_facts>.allocate(capacity: 1)
  private let verified = UnsafeMutablePointer<artstore_verified>.allocate(capacity: Int(ARTSTORE_VERIFIED_COUNT))
  private(set) var ticketKeysNumber = -1
  private var revoked = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

  /// Read in one go: a full record (16 KiB) with its head and some of the next.
  static let readAheadBytes: CInt = 20_480

  init(_ generation: TLSServerContext.Generation) throws(TLSError) {
    generationNumber = generation.number
    let (library, whole) = (OSSL_LIB_CTX_new(), OSSL_LIB_CTX_new())
    var providers = artstore_providers()
    let ownGCM: CInt = generation.recordCiphers.areOurs ? 1 : 0
    guard let library, let whole, artstore_narrow(library, whole, ownGCM, &providers) == 1,
      let context = SSL_CTX_new_ex(library, nil, TLS_server_method()), let method = artstore_gather_method(),
      let cipher = EVP_CIPHER_fetch(library, "AES-256-CBC", nil)
    else {
      // Out of memory at start or reload: what was made until here stays.
      throw TLSError(openSSL: "making a TLS context")
    }
    (self.library, self.whole, self.providers, self.context) = (library, whole, providers, context)
    gatherMethod = method
    verified.initialize(repeating: artstore_verified(), count: Int(ARTSTORE_VERIFIED_COUNT))
    facts.initialize(to: artstore_facts())
    facts.pointee.verified = verified
    facts.pointee.ticket_cipher = cipher
    try configure(generation)
  }

  deinit {
    aside.deallocate()
    SSL_CTX_free(context)
    EVP_CIPHER_free(facts.pointee.ticket_cipher)
    OPENSSL_cleanse(facts, MemoryLayout<artstore_facts>.size)
    facts.deallocate()
    verified.deallocate()
    revoked.deallocate()
    BIO_meth_free(gatherMethod)
    artstore_narrow_free(library, whole, &providers)
  }

  /// The OpenSSL provider whose AES-GCM seals and opens records; empty when there is none.
  var recordCipherProvider: String {
    guard let cipher = EVP_CIPHER_fetch(library, "AES-128-GCM", nil) else { return "" }
    defer { EVP_CIPHER_free(cipher) }
    return String(cString: OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher)))
  }

  /// Runs a part of a handshake. OpenSSL 3.0 decodes tickets with the thread's default context, which otherwise is the
  /// process's: with all its decoders, and locks that every thread waits for.
  func shaking<Result>(_ body: () -> Result) -> Result {
    let before = OSSL_LIB_CTX_set0_default(library)
    defer { OSSL_LIB_CTX_set0_default(before) }
    return body()
  }

  private func configure(_ generation: TLSServerContext.Generation) throws(TLSError) {
    let configuration = generation.configuration
    guard artstore_ctx_min_version(context, TLS1_3_VERSION) == 1,
      SSL_CTX_set_ciphersuites(
        context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1,
      artstore_ctx_groups(context, "X25519:P-256:P-384") == 1
    else { throw TLSError(openSSL: "choosing TLS 1.3") }
    artstore_ctx_server_modes(context)
    artstore_ctx_read_ahead(context, Self.readAheadBytes)
    // One ticket: clients here keep connections; a second one costs a signature's worth of work for nothing.
    SSL_CTX_set_num_tickets(context, 1)
    artstore_ctx_use_facts(context, facts)
    use(generation.ticketKeys)
    guard artstore_ctx_tickets(context, Int(TLSServerContext.ticketLifetime.components.seconds)) == 1,
      SSL_CTX_set_session_id_context(context, "artstore", 8) == 1
    else { throw TLSError(openSSL: "setting session tickets") }
    try useCertificate(configuration)
    try askForClientCertificate(configuration)
  }

  /// Takes the newest ticket keys; cheap when they have not changed.
  func use(_ keys: TLSServerContext.TicketKeys) {
    guard keys.number != ticketKeysNumber else { return }
    ticketKeysNumber = keys.number
    facts.pointee.ticket_key_count = CInt(keys.keys.count)
    withUnsafeMutableBytes(of: &facts.pointee.ticket_keys) { room in
      for (index, key) in keys.keys.enumerated() {
        UnsafeMutableRawBufferPointer(rebasing: room[(index * 80)..<(index * 80 + 80)]).copyBytes(from: key)
      }
    }
  }

  private func useCertificate(_ configuration: TLSServerConfiguration) throws(TLSError) {
    let chain = try Self.certificates(configuration.certificateChain, "the server's certificate")
    defer { chain.forEach(X509_free) }
    guard let leaf = chain.first, SSL_CTX_use_certificate(context, leaf) == 1 else {
      throw TLSError(openSSL: "using the server's certificate")
    }
    for issuer in chain.dropFirst() {
      guard artstore_ctx_add_chain(context, issuer) == 1 else { throw TLSError(openSSL: "adding an issuer") }
    }
    let key = Self.reading(configuration.privateKey) { bio in
      PEM_read_bio_PrivateKey_ex(bio, nil, { _, _, _, _ in -1 }, nil, whole, nil)
    }
    guard let key else { throw TLSError(openSSL: "reading the server's private key (PEM, not encrypted)") }
    defer { EVP_PKEY_free(key) }
    guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1 else {
      throw TLSError(openSSL: "matching the private key with the certificate")
    }
  }

  private func askForClientCertificate(_ configuration: TLSServerConfiguration) throws(TLSError) {
    guard configuration.clientCertificate != .none else {
      SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
      return
    }
    guard let pem = configuration.clientAuthorities else {
      throw TLSError("asking for client certificates", reason: "no authority is configured to verify them")
    }
    let authorities = try Self.certificates(pem, "the client authorities")
    defer { authorities.forEach(X509_free) }
    guard let store = SSL_CTX_get_cert_store(context) else { throw TLSError(openSSL: "opening the trust store") }
    for authority in authorities {
      guard X509_STORE_add_cert(store, authority) == 1, SSL_CTX_add_client_CA(context, authority) == 1 else {
        throw TLSError(openSSL: "trusting a client authority")
      }
    }
    let must = configuration.clientCertificate == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
    if let pinned = configuration.clientKeyPastDates {
      withUnsafeMutableBytes(of: &facts.pointee.pinned) { $0.copyBytes(from: pinned.bytes) }
      facts.pointee.has_pinned = 1
    }
    refuse(configuration.revokedClientKeys)
    artstore_ctx_verify(context, SSL_VERIFY_PEER | must, facts)
    SSL_CTX_set_verify_depth(context, 3)
  }

  /// The callback searches them in order.
  private func refuse(_ keys: [Checksum]) {
    let sorted = keys.map(\.bytes).sorted { $0.lexicographicallyPrecedes($1) }
    revoked.deallocate()
    revoked = .allocate(capacity: sorted.count * 32)
    for (place, hash) in sorted.enumerated() {
      _ = UnsafeMutableBufferPointer(rebasing: revoked[(place * 32)..<(place * 32 + 32)]).update(fromContentsOf: hash)
    }
    facts.pointee.revoked = UnsafePointer(revoked.baseAddress)
    facts.pointee.revoked_count = CInt(sorted.count)
  }

  /// Every certificate of a PEM text; at least one. The caller frees them.
  private static func certificates(_ pem: String, _ what: String) throws(TLSError) -> [OpaquePointer] {
    let found = reading(pem) { bio -> [OpaquePointer]? in
      var all: [OpaquePointer] = []
      while let one = PEM_read_bio_X509(bio, nil, nil, nil) { all.append(one) }
      return all
    }
    ERR_clear_error()  // the end of the text looks like an error to OpenSSL
    guard let found, !found.isEmpty else {
      throw TLSError("reading \(what)", reason: "there is no certificate in the PEM text")
    }
    return found
  }

  private static func reading<R>(_ text: String, _ read: (OpaquePointer) -> R?) -> R? {
    // The BIO reads where the bytes are: they must outlive it.
    Array(text.utf8).withUnsafeBytes { bytes in
      guard let bio = BIO_new_mem_buf(bytes.baseAddress, CInt(bytes.count)) else { return nil }
      defer { BIO_free(bio) }
      return read(bio)
    }
  }
}
