internal import Core
internal import HTTP
internal import Reactor
internal import Telemetry

/// What went out.
struct SentResponse {
  let status: HTTPStatus
  let keepsConnection: Bool
}

/// How an answer's body is delimited (RFC 9112 §6).
enum OutgoingFraming {
  /// The status or the method allows none.
  case none
  case length(Int)
  case chunked
  /// For HTTP/1.0: by the end of the connection.
  case close
}

extension HTTPConnection {
  /// Sends an answer and flushes it.
  func send(_ response: Response, to request: Request) async throws(ConnectionEnd) -> SentResponse {
    let isHead = request.head.method == .head
    let framing = Self.framing(response, request.head)
    var keeps =
      request.head.keepAlive && !context.isStopping && body.canBeDrained(within: limits.drainBytesMax)
    if case .close = framing { keeps = false }
    let outline = ResponseOutline(
      status: response.status, headers: response.headers, framing: framing, keepsConnection: keeps,
      requestID: request.requestID, isOldClient: request.head.minorVersion == 0)
    switch response.body {
    case .stream(_, let produce) where !isHead && !framing.isNone:
      if let failure = try await sendStream(outline, produce) {
        // Nothing has gone out yet: the client gets the error instead.
        return try await send(server.router.failure(failure, request), to: request)
      }
    case .file(let slice) where !isHead && !framing.isNone:
      do { try await prepare(slice) } catch {
        // Nothing has gone out yet: the client gets the error instead.
        return try await send(server.router.failure(error, request), to: request)
      }
      try await sendFile(slice, after: outline)
    case .bytes(let bytes) where !isHead && !framing.isNone:
      try await sendBytes(bytes, after: outline)
    default:
      try await sendBytes([], after: outline)
    }
    try await stream.flush()
    return SentResponse(status: response.status, keepsConnection: keeps)
  }

  /// An answer to what was no request; the connection ends after it.
  func sendFinal(_ response: Response) async throws(ConnectionEnd) {
    guard case .bytes(let bytes) = response.body else { return }
    let outline = ResponseOutline(
      status: response.status, headers: response.headers, framing: .length(bytes.count), keepsConnection: false,
      requestID: nil, isOldClient: false)
    try await sendBytes(bytes, after: outline)
    try await stream.flush()
  }

  static func framing(_ response: Response, _ head: RequestHead) -> OutgoingFraming {
    let status = response.status.rawValue
    if status < 200 || status == 204 || status == 304 { return .none }
    // A HEAD answer without a body may declare the length that its GET would have.
    if case .empty = response.body, head.method == .head, let declared = response.headers["Content-Length"] {
      return .length(Int(declared) ?? 0)
    }
    if let length = response.body.length { return .length(length) }
    return head.minorVersion == 0 ? .close : .chunked
  }

  func writeHead(_ outline: ResponseOutline) {
    outline.write(to: &context.head, at: context.civilTime)
  }

  /// Head and body in one record when they fit.
  private func sendBytes(_ bytes: [UInt8], after outline: ResponseOutline) async throws(ConnectionEnd) {
    writeHead(outline)
    let fits = context.head.bytes.count + bytes.count <= 16_384
    if fits { context.head.append(bytes) }
    try await stream.write(context.head.bytes)
    if !fits { try await stream.write(bytes) }
    context.figures.bytesOut.increment(by: Double(bytes.count))
  }

  // MARK: files

  private func sendFile(_ slice: FileSlice, after outline: ResponseOutline) async throws(ConnectionEnd) {
    writeHead(outline)
    try await sendFile(slice, afterHead: true)
  }

  /// Gets what checks the file's bytes ready. To be called before anything of the answer is sent.
  func prepare(_ slice: FileSlice) async throws {
    guard let check = slice.check, !check.isPrepared else { return }
    try await server.files.run { try check.prepare() }
  }

  /// A file's bytes, read into the loop's scratch and encrypted from there: nothing is held for the connection but what
  /// the socket would not take. With `afterHead` the head in `context.head` goes first, in the same records.
  func sendFile(_ slice: FileSlice, afterHead: Bool) async throws(ConnectionEnd) {
    var position = slice.offset
    let end = slice.offset + slice.count
    var prefix = afterHead ? context.head.bytes.count : 0
    if position == end, prefix > 0 { try await stream.write(context.head.bytes) }
    var rounds = 0
    while position < end {
      let scratch = loop.scratch
      let room = UnsafeMutableRawBufferPointer(rebasing: scratch[prefix...])
      let wanted = min(end - position, stream.output.pieceMax)
      switch readCached(slice, at: position, atMost: wanted, into: room) {
      case .end, .wrong: throw .unfinished("a file is shorter than its record says")
      case .bytes(let found):
        if prefix > 0 { copyHead(to: scratch, at: found.lowerBound) }
        let ready = UnsafeRawBufferPointer(rebasing: scratch[found.lowerBound..<(prefix + found.upperBound)])
        let taken = try stream.put(ready)
        guard taken >= prefix else { throw .unfinished("an answer's head did not fit") }
        position += taken - prefix
      case .cold:
        if prefix > 0 { try await stream.write(context.head.bytes) }
        let bytes = try await readCold(slice, at: position, atMost: min(EventLoop.scratchCount, end - position))
        try await stream.write(bytes)
        position += bytes.count
      case .failed(let errno): throw .unfinished(ReactorError.system(call: "pread", errno: errno).description)
      }
      prefix = 0
      if stream.output.isFull { try await stream.flush() }
      rounds += 1
      // Others on this loop get their turn once a MiB, even when this client takes bytes as fast as they come.
      if rounds & 3 == 0 { await Task.yield() }
    }
    context.figures.bytesOut.increment(by: Double(slice.count))
  }

  func readCached(
    _ slice: FileSlice, at position: Int, atMost count: Int, into room: UnsafeMutableRawBufferPointer
  ) -> CheckedRead.Outcome {
    CheckedRead.bytes(of: slice, at: position, atMost: count, into: room, isPatient: false) { buffer, offset in
      FileRead.cached(slice.file.descriptor, into: buffer, at: offset)
    }
  }

  /// In front of bytes that lie as far behind `place` as the head is long.
  func copyHead(to scratch: UnsafeMutableRawBufferPointer, at place: Int) {
    UnsafeMutableRawBufferPointer(rebasing: scratch[place...]).copyBytes(from: context.head.bytes)
  }

  private func readCold(
    _ slice: FileSlice, at position: Int, atMost count: Int
  ) async throws(ConnectionEnd) -> [UInt8] {
    do {
      return try await server.files.run { try Self.read(slice, at: position, atMost: count) }
    } catch let end as ConnectionEnd {
      throw end
    } catch {
      throw .unfinished("reading a file failed: \(error)")
    }
  }

  /// On a thread that may wait for the disk. What is wrong there is read from the device once more.
  private static func read(_ slice: FileSlice, at position: Int, atMost count: Int) throws -> [UInt8] {
    try slice.check?.prepare()
    var isLastTry = slice.check == nil
    while true {
      var found = CheckedRead.Outcome.end
      // Room for what is read around the wanted bytes.
      let room = count + 2 * (slice.check?.blockBytes ?? 0)
      let bytes = [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
        let raw = UnsafeMutableRawBufferPointer(buffer)
        found = CheckedRead.bytes(of: slice, at: position, atMost: count, into: raw, isPatient: true) { part, offset in
          FileRead.blocking(slice.file.descriptor, into: part, at: offset)
        }
        if case .bytes(let place) = found { filled = place.upperBound }
      }
      switch found {
      case .bytes(let place): return place.lowerBound == 0 ? bytes : Array(bytes[place])
      case .failed(let errno): throw ReactorError.system(call: "pread", errno: errno)
      case .wrong where !isLastTry:
        isLastTry = true
        slice.check?.dropCache()
      case .wrong: throw slice.check?.foundWrong(at: position) ?? ConnectionEnd.unfinished("a file's bytes are wrong")
      case .end, .cold: throw ConnectionEnd.unfinished("a file is shorter than its record says")
      }
    }
  }

  // MARK: streams

  /// nil when the stream went out; the error when it failed before its first byte.
  private func sendStream(
    _ outline: ResponseOutline, _ produce: @Sendable (any BodyWriter) async throws -> Void
  ) async throws(ConnectionEnd) -> (any Error)? {
    let writer = StreamWriter(connection: self, outline: outline)
    do {
      try await produce(writer)
      try await writer.finish()
      return nil
    } catch let end as ConnectionEnd {
      throw end
    } catch {
      guard writer.hasBegun else { return error }
      server.logger.error(
        "an answer failed while it was sent",
        ["request_id": .string(outline.requestID ?? ""), "error": .error(error)])
      throw .unfinished("an answer failed while it was sent")
    }
  }

  /// Puts a stream's head into the output.
  func beginStream(_ outline: ResponseOutline) async throws(ConnectionEnd) {
    writeHead(outline)
    try await stream.write(context.head.bytes)
  }
}

extension OutgoingFraming {
  var isNone: Bool {
    if case .none = self { true } else { false }
  }
}

internal import Telemetry
