/// What the TLS layer says of the peer, for proofs bound to the connection.
public struct TLSPeer: Sendable, Hashable {
  /// SubjectPublicKeyInfo (DER) of the peer's certificate.
  public let spki: [UInt8]
  /// 32 bytes both ends of this very connection can compute, and nobody else (RFC 8446 §7.5).
  public let exportedSecret: [UInt8]
}

/// A connection of the caller's own, for exchanges that must share one: the claim. One request at a time, each answer
/// read to its end before the next.
public final class ClientConnection: Sendable {
  private let transfer: CurlTransfer

  init(_ transfer: CurlTransfer, exporterLabel: String) {
    self.transfer = transfer
    transfer.exporterLabel = exporterLabel
  }

  /// The peer as of the last answer; nil before the first one or without TLS.
  public var peer: TLSPeer? { transfer.peer }

  /// Sends and reads the whole answer, at most `limit` bytes.
  public func exchange(
    _ request: ClientRequest, limit: Int = 1_048_576
  ) async throws(HTTPClientError) -> (response: ClientResponse, body: [UInt8]) {
    try transfer.attach(request)
    let (status, headers) = try await transfer.head()
    let body = ClientResponseBody(transfer) { _ in }
    let bytes = try await body.collect(limit: limit)
    return (ClientResponse(status: status, headers: headers, body: body), bytes)
  }
}
