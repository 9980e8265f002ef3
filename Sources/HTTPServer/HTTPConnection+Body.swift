internal import HTTP
internal import Reactor
internal import Telemetry

extension HTTPConnection {
  /// The next bytes of a request's body; nil at its end. Callable from anywhere, works on the loop. Throws `APIError`.
  func nextPiece(ofRequest number: Int, isAligned: Bool) async throws -> ArraySlice<UInt8>? {
    if EventLoop.current === loop { return try await piece(ofRequest: number, isAligned) }
    return try await withTaskExecutorPreference(loop) { try await self.pieceOnLoop(ofRequest: number, isAligned) }
  }

  @concurrent
  private func pieceOnLoop(ofRequest number: Int, _ isAligned: Bool) async throws -> ArraySlice<UInt8>? {
    try await piece(ofRequest: number, isAligned)
  }

  private func piece(ofRequest number: Int, _ isAligned: Bool) async throws(APIError) -> ArraySlice<UInt8>? {
    guard number == requestNumber else { throw ConnectionEnd.gone("the request is over").apiError }
    do {
      let piece = try await nextPiece(isAligned)
      if let piece { context.figures.bytesIn.increment(by: Double(piece.count)) }
      return piece
    } catch {
      body.isBroken = true
      server.metrics.refusals.increment(server.configuration.name, error.reason)
      throw error.apiError
    }
  }

  private func nextPiece(_ isAligned: Bool) async throws(ConnectionEnd) -> ArraySlice<UInt8>? {
    if body.isOver { return nil }
    if body.awaitsContinue {
      body.awaitsContinue = false
      try await stream.write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
      try await stream.flush()
    }
    while true {
      switch body.framing {
      case .over: return nil
      case .length(let left): if let piece = try takeFixed(left, isAligned: isAligned) { return piece }
      case .chunked(let decoder): if let piece = try takeChunked(decoder) { return piece[...] }
      }
      if body.isOver { return nil }
      try await stream.waitForBody(receivedSinceLast: body.sinceLastWait)
      body.sinceLastWait = 0
    }
  }

  /// What is there of a body of known length; nil when nothing is.
  private func takeFixed(_ left: Int, isAligned: Bool = false) throws(ConnectionEnd) -> ArraySlice<UInt8>? {
    let piece: ArraySlice<UInt8>
    if inputStart < input.count {
      let count = min(left, input.count - inputStart)
      piece = Array(input[inputStart..<(inputStart + count)])[...]
      inputStart += count
      if inputStart == input.count { dropInput() }
    } else {
      let limit = min(left, EventLoop.scratchCount)
      piece = try isAligned && limit == EventLoop.scratchCount ? receivePages() : receivePiece(atMost: limit)[...]
      if piece.isEmpty { return nil }
    }
    body.sinceLastWait += piece.count
    body.position += piece.count
    body.framing = piece.count == left ? .over : .length(left: left - piece.count)
    return piece
  }

  /// What is there of a body in chunks; nil when nothing is, or the body is over.
  private func takeChunked(_ decoder: ChunkedDecoder) throws(ConnectionEnd) -> [UInt8]? {
    if inputStart == input.count {
      let count = try receiveAvailable(into: loop.scratch)
      if count == 0 { return nil }
      input = Array(UnsafeRawBufferPointer(rebasing: loop.scratch[..<count]))
      inputStart = 0
    }
    var decoder = decoder
    var data: [UInt8] = []
    let held = input
    do {
      while inputStart < input.count, !decoder.isEnd {
        let step = try decoder.decode(held.span.extracting(inputStart...))
        if !step.data.isEmpty {
          data.append(contentsOf: held[(inputStart + step.data.lowerBound)..<(inputStart + step.data.upperBound)])
        }
        inputStart += step.consumed
        body.sinceLastWait += step.consumed
      }
    } catch let error {
      throw .refused(error)
    }
    if inputStart == input.count { dropInput() }
    body.framing = decoder.isEnd ? .over : .chunked(decoder)
    return data.isEmpty ? nil : data
  }

  private func dropInput() {
    input = []
    inputStart = 0
  }

  /// The same where each byte has the place in its page that it has in the body, and not beyond the last whole page:
  /// once that much comes, piece after piece is made of whole ones.
  private func receivePages() throws(ConnectionEnd) -> ArraySlice<UInt8> {
    let page = 4096
    let lead = body.position % page
    let limit = EventLoop.scratchCount - lead
    if stream.isSurelyBlocked { return [] }
    var failure: ConnectionEnd?
    var skipped = 0
    let piece = [UInt8](unsafeUninitializedCapacity: limit + page) { buffer, filled in
      let start = buffer.baseAddress.map { Int(bitPattern: $0) } ?? 0
      skipped = ((lead - start) % page + page) % page
      buffer[..<skipped].initialize(repeating: 0)
      filled = skipped
      do throws(ConnectionEnd) {
        let room = UnsafeMutableBufferPointer(rebasing: buffer[skipped..<skipped + limit])
        filled += try receiveAvailable(into: UnsafeMutableRawBufferPointer(room))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return piece[skipped...]
  }

  /// What has arrived, decrypted to where it is handed on; empty when nothing has.
  private func receivePiece(atMost limit: Int) throws(ConnectionEnd) -> [UInt8] {
    if stream.isSurelyBlocked { return [] }
    var failure: ConnectionEnd?
    let piece = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
      do throws(ConnectionEnd) {
        filled = try receiveAvailable(into: UnsafeMutableRawBufferPointer(buffer))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return piece
  }

  /// Fills `scratch` with what has arrived; 0 when nothing has.
  private func receiveAvailable(into scratch: UnsafeMutableRawBufferPointer) throws(ConnectionEnd) -> Int {
    let wanted = scratch.count
    var count = 0
    while count < wanted {
      if count > 0, stream.isSurelyBlocked { return count }
      switch stream.receive(into: UnsafeMutableRawBufferPointer(rebasing: scratch[count..<wanted])) {
      case .bytes(let more): count += more
      case .blocked: return count
      case .end:
        if count > 0 { return count }
        throw .gone("closed in the middle of a body")
      case .failed(let why):
        if count > 0 { return count }
        throw .gone(why)
      }
    }
    return count
  }

  /// Reads away what the handler left of the body; false when that is more than is worth it.
  func drainBody() async -> Bool {
    let deadline = Deadline.after(limits.drainTimeout)
    var drained = 0
    do throws(ConnectionEnd) {
      while !body.isOver {
        guard drained <= limits.drainBytesMax, case .length(let left) = body.framing else { return false }
        if let piece = try takeFixed(left) {
          drained += piece.count
        } else {
          try await stream.waitToReceive(.rest, until: deadline)
        }
      }
      return true
    } catch {
      return false
    }
  }
}
