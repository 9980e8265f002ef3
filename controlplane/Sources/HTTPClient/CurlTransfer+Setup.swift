internal import CCurl
internal import Core
internal import HTTP

extension CurlTransfer {
  /// Sets the handle up for `request` and puts it on the multi handle. Nothing is sent before it is driven.
  func attach(_ request: ClientRequest) throws(HTTPClientError) {
    detach()
    curl_easy_reset(easy)
    response = ResponseHead()
    received = []
    isReceivePaused = false
    result = nil
    sentBytes = false
    errorText.pointee = 0
    let context = Unmanaged.passUnretained(self).toOpaque()
    try check(artstore_set_string(easy, CURLOPT_URL, request.url), "the URL")
    artstore_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    artstore_set_string(easy, CURLOPT_PROXY, "")
    artstore_set_long(easy, CURLOPT_NOSIGNAL, 1)
    artstore_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
    artstore_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    artstore_set_long(easy, CURLOPT_TCP_NODELAY, 1)
    artstore_set_long(easy, CURLOPT_BUFFERSIZE, 128 * 1024)
    artstore_set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256 * 1024)
    artstore_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
    artstore_set_data_callback(easy, CURLOPT_WRITEFUNCTION, onWrite)
    artstore_set_pointer(easy, CURLOPT_WRITEDATA, context)
    artstore_set_data_callback(easy, CURLOPT_HEADERFUNCTION, onHeader)
    artstore_set_pointer(easy, CURLOPT_HEADERDATA, context)
    setTimeouts(request.timeouts)
    try setBody(request, context)
    try setHeaders(request)
    try setTrust(request.tls)
    guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
      throw HTTPClientError(.overloaded, "libcurl took no further transfer")
    }
    isAttached = true
    // Starts the transfer: libcurl sets a timer of zero.
    timer = time.uptime()
  }

  func detach() {
    guard isAttached else { return }
    curl_multi_remove_handle(multi, easy)
    isAttached = false
  }

  private func setTimeouts(_ timeouts: ClientTimeouts) {
    artstore_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(timeouts.connect.microseconds / 1000))
    artstore_set_long(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 5000)
    artstore_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, timeouts.stallBytesPerSecond)
    artstore_set_long(easy, CURLOPT_LOW_SPEED_TIME, max(1, Int(timeouts.stall.inSeconds)))
    if let total = timeouts.total {
      artstore_set_long(easy, CURLOPT_TIMEOUT_MS, max(1, Int(total.microseconds / 1000)))
    }
  }

  private func setBody(_ request: ClientRequest, _ context: UnsafeMutableRawPointer) throws(HTTPClientError) {
    upload = Upload()
    artstore_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    var length: Int? = 0
    switch request.body {
    case .empty:
      if request.method == .head { artstore_set_long(easy, CURLOPT_NOBODY, 1) }
      // POST, PUT and PATCH say "Content-Length: 0" (RFC 9110 §8.6); see setHeaders.
      return
    case .bytes(let bytes):
      upload.chunk = bytes
      upload.mayRestart = [.put, .delete].contains(request.method)
      length = bytes.count
    case .stream(let declared, let next):
      upload.next = next
      upload.isEnded = false
      length = declared
    }
    artstore_set_long(easy, CURLOPT_UPLOAD, 1)
    artstore_set_offset(easy, CURLOPT_INFILESIZE_LARGE, Int(length ?? -1))
    artstore_set_data_callback(easy, CURLOPT_READFUNCTION, onRead)
    artstore_set_pointer(easy, CURLOPT_READDATA, context)
    artstore_set_seek_callback(easy, onSeek)
    artstore_set_pointer(easy, CURLOPT_SEEKDATA, context)
  }

  private func setHeaders(_ request: ClientRequest) throws(HTTPClientError) {
    curl_slist_free_all(headerList)
    headerList = nil
    var lines: [String] = []
    for (name, value) in request.headers.fields {
      guard Self.isToken(name), !value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) else {
        throw HTTPClientError(.badRequest, "the header field \(name.prefix(40)) cannot be sent")
      }
      // A field without a value needs a semicolon in libcurl's list.
      lines.append(value.isEmpty ? "\(name);" : "\(name): \(value)")
    }
    lines.append(request.expectsContinue ? "Expect: 100-continue" : "Expect:")
    if request.headers["User-Agent"] == nil { lines.append("User-Agent: artstore-controlplane/\(Product.version)") }
    if case .empty = request.body, [.post, .put, .patch].contains(request.method) { lines.append("Content-Length: 0") }
    for line in lines { headerList = curl_slist_append(headerList, line) }
    artstore_set_pointer(easy, CURLOPT_HTTPHEADER, headerList)
  }

  private func setTrust(_ tls: ClientTLS?) throws(HTTPClientError) {
    // A reused connection was checked when it was made; a resumed session would skip the check of the identity.
    artstore_set_long(easy, CURLOPT_SSL_SESSIONID_CACHE, 0)
    artstore_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
    guard let tls else { return }
    try set(CURLOPT_SSLCERT_BLOB, tls.certificate, "the client certificate")
    try set(CURLOPT_SSLKEY_BLOB, tls.privateKey, "the client key")
    if let pin = tls.pinnedSPKI {
      let text = "sha256//" + Base64.standard.encode(pin.bytes)
      try check(artstore_set_string(easy, CURLOPT_PINNEDPUBLICKEY, text), "the pinned key")
    }
    switch tls.trust {
    case .system: break
    case .authorities(let pem): try set(CURLOPT_CAINFO_BLOB, pem, "the authorities")
    case .identity(let pem, let uri):
      try set(CURLOPT_CAINFO_BLOB, pem, "the authorities")
      artstore_set_long(easy, CURLOPT_SSL_VERIFYHOST, 0)
      artstore_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_3)
      if expectedIdentity == nil { expectedIdentity = strdup(uri) }
      artstore_expect_identity(easy, expectedIdentity, tls.forgivesDates ? 1 : 0)
    case .provenByCaller:
      artstore_set_long(easy, CURLOPT_SSL_VERIFYHOST, 0)
      artstore_set_long(easy, CURLOPT_SSL_VERIFYPEER, 0)
      artstore_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_3)
    }
  }

  private func set(_ option: CURLoption, _ text: String?, _ what: String) throws(HTTPClientError) {
    guard let text else { return }
    let bytes = Array(text.utf8)
    if option == CURLOPT_SSLCERT_BLOB { artstore_set_string(easy, CURLOPT_SSLCERTTYPE, "PEM") }
    try check(artstore_set_blob(easy, option, bytes, bytes.count), what)
  }

  private func check(_ code: CURLcode, _ what: String) throws(HTTPClientError) {
    guard code == CURLE_OK else {
      throw HTTPClientError(.badRequest, "\(what) is refused: \(String(cString: curl_easy_strerror(code)))")
    }
  }

  /// RFC 9110 §5.6.2.
  private static func isToken(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "A")...UInt8(ascii: "Z"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }
}
