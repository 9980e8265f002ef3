internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import Synchronization

/// A form's whole body, held against the `Content-Digest` of the request (RFC 9530 §2) if there is one. The document in
/// it has digests of its own.
final class CheckedBody: Sendable {
  private let body: RequestBody
  private let expected: Checksum?
  private let digest = Mutex(SHA256())

  init(_ request: Request) throws(APIError) {
    body = request.body
    expected = try DigestFields.declared(request.head.combined("content-digest"), name: "Content-Digest")
  }

  func next() async throws -> [UInt8]? {
    let piece = try await body.next()
    if let piece, expected != nil { digest.withLock { $0.update(piece) } }
    return piece
  }

  /// Reads what follows the form's end and compares. `CHECKSUM_MISMATCH`.
  func verify() async throws {
    guard let expected else { return }
    while try await next() != nil {}
    let found = digest.withLock { $0.current() }
    guard found == expected else {
      throw APIError(
        .checksumMismatch, "the form that arrived has SHA-256 \(found), not \(expected); send it again")
    }
  }
}
