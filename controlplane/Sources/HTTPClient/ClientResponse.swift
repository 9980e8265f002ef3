public import HTTP
internal import Synchronization

/// An answer whose head has arrived; the body is pulled.
public struct ClientResponse: Sendable {
  public let status: HTTPStatus
  public let headers: HeaderFields
  public let body: ClientResponseBody

  /// The body's length, when the peer declared it.
  public var contentLength: Int? { headers["Content-Length"].flatMap { Int($0) } }
}

/// The rest of an answer. Reading drives the transfer: who does not read lets the peer wait. A body that is dropped
/// before its end closes the connection; one read to its end gives it back for reuse. One task at a time.
public final class ClientResponseBody: Sendable {
  private let transfer: CurlTransfer
  private let onEnd: @Sendable (CurlTransfer) -> Void
  /// From then on the transfer is no longer ours: it may carry another's answer.
  private let hasEnded = Atomic(false)

  init(_ transfer: CurlTransfer, onEnd: @escaping @Sendable (CurlTransfer) -> Void) {
    self.transfer = transfer
    self.onEnd = onEnd
  }

  /// The next bytes, at most 256 KiB or so; nil at the end, however often it is asked for. A body cut short throws
  /// `.badAnswer` or `.unreachable`.
  public func next() async throws(HTTPClientError) -> [UInt8]? {
    guard !hasEnded.load(ordering: .acquiring) else { return nil }
    let chunk = try await transfer.nextChunk()
    if chunk == nil, !hasEnded.exchange(true, ordering: .acquiringAndReleasing) { onEnd(transfer) }
    return chunk
  }

  /// The whole body; throws `.badAnswer` when it is longer than `limit`.
  public func collect(limit: Int) async throws(HTTPClientError) -> [UInt8] {
    var bytes: [UInt8] = []
    while let chunk = try await next() {
      guard bytes.count + chunk.count <= limit else {
        throw HTTPClientError(.badAnswer, "the answer is longer than \(limit) bytes", mayHaveBeenSent: true)
      }
      bytes += chunk
    }
    return bytes
  }
}
