internal import HTTP
internal import Reactor
internal import TLS
internal import Telemetry

/// What a connection's sleeping task is woken to go on with.
enum HandedOver {
  /// A head that has to be answered in the usual way.
  case head(RequestHead)
  /// The socket had this instead of bytes.
  case received(ConnectionStream.Received)
  case failed(ConnectionEnd)
  /// An answer that the socket would not take whole.
  case unsent(Router.Handled, HTTPStatus, started: Deadline)
}

/// The short way: while the connection's task sleeps between two requests, the loop answers what can be answered
/// without waiting, and the task sleeps on. Waking a task, its frames and its returns to the loop's executor would cost
/// about as much as the rest of a small answer. Whatever is out of the ordinary wakes the task, which then goes the
/// usual way from where this stopped.
extension HTTPConnection: ChannelReader {
  func readyToRead() -> Deadline? {
    guard phase == .idle, !context.isStopping, input.isEmpty, stream.output.count == 0 else {
      return nil
    }
    let scratch = UnsafeMutableRawBufferPointer(rebasing: loop.scratch[..<32_768])
    let count: Int
    switch stream.receive(into: scratch) {
    case .bytes(let received): count = received
    case let other:
      handedOver = .received(other)
      return nil
    }
    do throws(ConnectionEnd) {
      guard let head = try take(UnsafeRawBufferPointer(rebasing: scratch[..<count])) else { return nil }
      guard try answerAtOnce(head) else { return nil }
    } catch {
      handedOver = .failed(error)
      return nil
    }
    // More is there: the task sees to it, so that others get their turn.
    guard input.isEmpty, stream.isSurelyBlocked else { return nil }
    return stillDeadline
  }

  /// Whether the answer is out. If not, `handedOver` says how to go on.
  private func answerAtOnce(_ head: RequestHead) throws(ConnectionEnd) -> Bool {
    let started = loop.now
    guard head.keepAlive, head.minorVersion == 1, !isOutdated else {
      handedOver = .head(head)
      return false
    }
    let request = Request(head: head, body: .none, identifier: context.nextIdentifier(), from: origin)
    guard let handled = server.router.handleAtOnce(request), try put(handled.response, to: request) else {
      handedOver = .head(head)
      return false
    }
    stream.restartPace()
    noteAnswered()
    switch stream.send() {
    case .done:
      record(handled, handled.response.status, started, nil)
      return true
    case .blocked, .failed:
      // Waiting, or finding out what is wrong, is for the task.
      handedOver = .unsent(handled, handled.response.status, started: started)
      return false
    }
  }

  private var isOutdated: Bool {
    guard let tls = stream.tls, let acceptor = context.acceptor else { return false }
    return acceptor.isOutdated(tls)
  }

  /// Puts the whole answer into the empty output. False, with nothing put, when it has no room there or its bytes would
  /// have to be waited for.
  private func put(_ response: Response, to request: Request) throws(ConnectionEnd) -> Bool {
    guard case .length(let length) = Self.framing(response, request.head) else { return false }
    let outline = ResponseOutline(
      status: response.status, headers: response.headers, framing: .length(length), keepsConnection: true,
      requestID: request.requestID, isOldClient: false)
    switch response.body {
    case .bytes(let bytes):
      writeHead(outline)
      guard context.head.bytes.count + bytes.count <= 16_384 else { return false }
      context.head.append(bytes)
      try putAll(context.head.bytes)
    case .file(let slice):
      writeHead(outline)
      guard try put(slice) else { return false }
    case .empty, .stream: return false
    }
    context.figures.bytesOut.increment(by: Double(length))
    return true
  }

  private func putAll(_ bytes: [UInt8]) throws(ConnectionEnd) {
    guard try stream.putSome(bytes, from: 0) == bytes.count else {
      throw .unfinished("a small answer did not fit into an empty buffer")
    }
  }

  /// The head in `context.head` and the bytes of a file, if they lie in the page cache.
  private func put(_ slice: FileSlice) throws(ConnectionEnd) -> Bool {
    let prefix = context.head.bytes.count
    let scratch = loop.scratch
    // Records make it a little longer on its way.
    guard slice.count > 0, prefix + slice.count <= min(scratch.count, stream.output.pieceMax) / 2 else { return false }
    let room = UnsafeMutableRawBufferPointer(rebasing: scratch[prefix...])
    guard case .bytes(let found) = readCached(slice, at: slice.offset, atMost: slice.count, into: room),
      found.count == slice.count
    else { return false }
    copyHead(to: scratch, at: found.lowerBound)
    let ready = UnsafeRawBufferPointer(rebasing: scratch[found.lowerBound..<(prefix + found.upperBound)])
    guard try stream.put(ready) == prefix + slice.count else {
      throw .unfinished("an answer did not fit into an empty buffer")
    }
    return true
  }

  enum Next {
    case answer(RequestHead)
    case receive
    case end
  }

  /// The task's part.
  func goOn(with handedOver: HandedOver) async throws(ConnectionEnd) -> Next {
    switch handedOver {
    case .head(let head): return .answer(head)
    case .failed(let end): throw end
    case .received(.bytes), .received(.blocked): return .receive
    // Between two requests a client may go without a word.
    case .received(.end), .received(.failed): return .end
    case .unsent(let handled, let status, let started):
      do {
        try await stream.flush()
      } catch {
        record(handled, status, started, error)
        throw error
      }
      record(handled, status, started, nil)
      return .receive
    }
  }
}
