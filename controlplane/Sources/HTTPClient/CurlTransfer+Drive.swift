internal import CCurl
internal import Core
internal import HTTP
internal import Reactor

extension CurlTransfer {
  /// Drives until the answer's head is there. The request's body may still be under way when a peer answers early.
  func head() async throws(HTTPClientError) -> (status: HTTPStatus, headers: HeaderFields) {
    while !response.isComplete, result == nil { try await step() }
    if let result, result != CURLE_OK { throw failure(result) }
    guard response.isComplete else {
      throw HTTPClientError(.badAnswer, "\(origin): the answer has no head", mayHaveBeenSent: true)
    }
    var headers = HeaderFields()
    for field in response.fields { headers.append(field.name, field.value) }
    return (HTTPStatus(rawValue: response.status), headers)
  }

  /// Drives until bytes of the body are there and returns them; nil at the end.
  func nextChunk() async throws(HTTPClientError) -> [UInt8]? {
    while received.isEmpty, result == nil {
      if isReceivePaused {
        isReceivePaused = false
        curl_easy_pause(easy, CURLPAUSE_CONT)
        if !received.isEmpty { break }
      }
      try await step()
    }
    if !received.isEmpty {
      defer { received = [] }
      return received
    }
    if let result, result != CURLE_OK { throw failure(result) }
    return nil
  }

  /// Whether the exchange ended well, so that the connection may serve another.
  var isReusable: Bool { result == CURLE_OK && received.isEmpty }

  /// One turn: feed the upload, let libcurl work, wait for what it waits for.
  private func step() async throws(HTTPClientError) {
    guard !Task.isCancelled else {
      throw HTTPClientError(.cancelled, "\(origin): cancelled", mayHaveBeenSent: sentBytes)
    }
    if upload.isStarved { await feed() }
    if poke() { return }
    let now = time.uptime()
    let wait = min(max((timer ?? now + .seconds(5)) - now, .zero), .seconds(5))
    if wait > .zero {
      do throws(ReactorError) {
        try await IO.wait(poller, for: .read, timeout: wait)
      } catch .timedOut {
        // libcurl's timer, or a look at the clock.
      } catch .cancelled {
        throw HTTPClientError(.cancelled, "\(origin): cancelled", mayHaveBeenSent: sentBytes)
      } catch {
        throw HTTPClientError(.unreachable, "\(origin): \(error)", mayHaveBeenSent: sentBytes)
      }
    }
    _ = poke()
  }

  /// Lets libcurl handle what is due: sockets that are ready, the timer. True when something happened that a caller
  /// may have waited for.
  private func poke() -> Bool {
    var running: Int32 = 0
    var acted = false
    var events = [epoll_event](repeating: epoll_event(), count: 4)
    let ready = Int(epoll_wait(poller, &events, 4, 0))
    for event in events.prefix(max(ready, 0)) {
      var mask: Int32 = 0
      if event.events & EPOLLIN.rawValue != 0 { mask |= CURL_CSELECT_IN }
      if event.events & EPOLLOUT.rawValue != 0 { mask |= CURL_CSELECT_OUT }
      if event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { mask |= CURL_CSELECT_ERR }
      curl_multi_socket_action(multi, event.data.fd, mask, &running)
      acted = true
    }
    if let due = timer, due <= time.uptime() {
      timer = nil
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running)
      acted = true
    }
    var code = CURLE_OK
    if artstore_finished(multi, &code) == 1 {
      result = code
      detach()
      return true
    }
    return acted
  }

  /// Pulls the next chunk of the request's body and tells libcurl to go on.
  private func feed() async {
    guard let next = upload.next else { return }
    upload.chunk = []
    upload.offset = 0
    do {
      if let chunk = try await next() { upload.chunk = chunk } else { upload.isEnded = true }
    } catch {
      upload.failure = String(describing: error)
    }
    if upload.chunk.isEmpty, !upload.isEnded, upload.failure == nil { return }
    upload.isStarved = false
    curl_easy_pause(easy, CURLPAUSE_CONT)
  }

  private func failure(_ code: CURLcode) -> HTTPClientError {
    if let reason = upload.failure {
      return HTTPClientError(.bodyFailed, "\(origin): the request's body failed: \(reason)", mayHaveBeenSent: true)
    }
    if response.isTooLarge {
      return HTTPClientError(.badAnswer, "\(origin): the answer's head is too large", mayHaveBeenSent: true)
    }
    let detail = String(cString: errorText)
    let text = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    let kind: HTTPClientError.Kind =
      switch code {
      case CURLE_OPERATION_TIMEDOUT: .timedOut
      case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_CONNECT_ERROR,
        CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CIPHER:
        .untrusted
      case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_SEND_ERROR, CURLE_RECV_ERROR,
        CURLE_GOT_NOTHING, CURLE_SEND_FAIL_REWIND:
        .unreachable
      case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .badRequest
      case CURLE_OUT_OF_MEMORY: .overloaded
      default: .badAnswer
      }
    return HTTPClientError(kind, "\(origin): \(text)", mayHaveBeenSent: sentBytes || response.status != 0)
  }
}
