internal import CCurl
internal import Core

// What libcurl calls from within curl_multi_socket_action, always on the task that drives the transfer.

private func transfer(_ context: UnsafeMutableRawPointer?) -> CurlTransfer? {
  context.map { Unmanaged<CurlTransfer>.fromOpaque($0).takeUnretainedValue() }
}

/// CURLMOPT_SOCKETFUNCTION: watch this socket so, or no longer.
let onSocket: artstore_socket_callback = { _, socket, what, context, _ in
  guard let transfer = transfer(context) else { return 0 }
  var event = epoll_event()
  event.data.fd = socket
  switch what {
  case CURL_POLL_REMOVE:
    epoll_ctl(transfer.poller, EPOLL_CTL_DEL, socket, nil)
    return 0
  case CURL_POLL_IN: event.events = EPOLLIN.rawValue
  case CURL_POLL_OUT: event.events = EPOLLOUT.rawValue
  default: event.events = EPOLLIN.rawValue | EPOLLOUT.rawValue
  }
  if epoll_ctl(transfer.poller, EPOLL_CTL_MOD, socket, &event) != 0 {
    epoll_ctl(transfer.poller, EPOLL_CTL_ADD, socket, &event)
  }
  return 0
}

/// CURLMOPT_TIMERFUNCTION: come back after so many milliseconds; -1: no need.
let onTimer: artstore_timer_callback = { _, milliseconds, context in
  guard let transfer = transfer(context) else { return 0 }
  transfer.timer = milliseconds < 0 ? nil : transfer.time.uptime() + .milliseconds(milliseconds)
  return 0
}

/// CURLOPT_READFUNCTION: the next bytes of the request's body; a pause while there are none yet.
let onRead: artstore_data_callback = { buffer, size, count, context in
  guard let transfer = transfer(context), let buffer else { return 0 }
  let wanted = size * count
  let left = transfer.upload.chunk.count - transfer.upload.offset
  if left == 0 {
    if transfer.upload.failure != nil { return Int(CURL_READFUNC_ABORT) }
    if transfer.upload.isEnded { return 0 }
    transfer.upload.isStarved = true
    return Int(CURL_READFUNC_PAUSE)
  }
  let step = min(left, wanted)
  transfer.upload.chunk.withUnsafeBytes { bytes in
    if let base = bytes.baseAddress {
      UnsafeMutableRawPointer(buffer).copyMemory(from: base + transfer.upload.offset, byteCount: step)
    }
  }
  transfer.upload.offset += step
  transfer.sentBytes = true
  return step
}

/// CURLOPT_SEEKFUNCTION: the body once more from its beginning.
let onSeek: artstore_seek_callback = { context, offset, origin in
  guard let transfer = transfer(context), transfer.upload.mayRestart, offset == 0, origin == SEEK_SET else {
    return CURL_SEEKFUNC_CANTSEEK
  }
  transfer.upload.offset = 0
  return CURL_SEEKFUNC_OK
}

/// CURLOPT_WRITEFUNCTION: bytes of the answer's body; a pause while the reader has enough.
let onWrite: artstore_data_callback = { buffer, size, count, context in
  guard let transfer = transfer(context), let buffer else { return 0 }
  if transfer.received.count >= CurlTransfer.receiveMax {
    transfer.isReceivePaused = true
    return Int(CURL_WRITEFUNC_PAUSE)
  }
  let bytes = UnsafeRawBufferPointer(start: buffer, count: size * count)
  transfer.received.append(contentsOf: bytes)
  return size * count
}

/// CURLOPT_HEADERFUNCTION: one line of the answer's head, its line end included.
let onHeader: artstore_data_callback = { buffer, size, count, context in
  guard let transfer = transfer(context), let buffer else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: buffer, count: size * count)
  return transfer.takeHeaderLine(String(decoding: bytes, as: UTF8.self)) ? size * count : 0
}

extension CurlTransfer {
  private static var headBytesMax: Int { 64 * 1024 }

  /// False aborts the transfer.
  fileprivate func takeHeaderLine(_ raw: String) -> Bool {
    response.bytes += raw.utf8.count
    guard response.bytes <= Self.headBytesMax else {
      response.isTooLarge = true
      return false
    }
    // Trailers come after the body has begun; nobody here wants them.
    if response.isComplete { return true }
    let line = raw.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    if line.hasPrefix("HTTP/") {
      response.status = Int(line.split(separator: " ", maxSplits: 2).dropFirst().first ?? "") ?? 0
      response.fields = []
      rememberPeer()
    } else if line.isEmpty {
      // 1xx heads are followed by another (RFC 9110 §15.2).
      if response.status >= 200 { response.isComplete = true }
    } else if let colon = line.firstIndex(of: ":") {
      let value = line[line.index(after: colon)...]
      let start = value.firstIndex { $0 != " " && $0 != "\t" } ?? value.endIndex
      let end = value.lastIndex { $0 != " " && $0 != "\t" }.map { value.index(after: $0) } ?? value.endIndex
      response.fields.append((String(line[..<colon]), start < end ? String(value[start..<end]) : ""))
    }
    return true
  }

  /// The TLS connection can only be looked at while the transfer is on it.
  private func rememberPeer() {
    guard let label = exporterLabel else { return }
    var spki = [UInt8](repeating: 0, count: 4096)
    let count = Int(artstore_peer_spki(easy, &spki, Int32(spki.count)))
    var secret = [UInt8](repeating: 0, count: 32)
    guard count > 0, artstore_export(easy, label, &secret, secret.count) == 1 else {
      peer = nil
      return
    }
    peer = TLSPeer(spki: Array(spki.prefix(count)), exportedSecret: secret)
  }
}
