internal import HTTP
internal import Synchronization

/// A request's body, pulled piece by piece: what is not pulled stays in the socket, which is the backpressure.
public final class RequestBody: Sendable {
  /// From `Content-Length`; nil when the body comes in chunks.
  public let declaredLength: Int?
  /// `true`: in aligned memory if that is to be had.
  private let pull: @Sendable (Bool) async throws -> ArraySlice<UInt8>?
  private let received = Atomic<Int>(0)
  private let limit = Atomic<Int>(.max)

  /// `next` gives at most 256 KiB at a time and nil at the end; it throws `APIError`.
  public convenience init(declaredLength: Int?, next: @escaping @Sendable () async throws -> [UInt8]?) {
    self.init(declaredLength: declaredLength) { _ in try await next()?[...] }
  }

  init(declaredLength: Int?, pull: @escaping @Sendable (_ isAligned: Bool) async throws -> ArraySlice<UInt8>?) {
    self.declaredLength = declaredLength
    self.pull = pull
  }

  /// A body that is in memory.
  public convenience init(bytes: [UInt8]) {
    let rest = Mutex<[UInt8]?>(bytes.isEmpty ? nil : bytes)
    self.init(declaredLength: bytes.count) {
      rest.withLock { rest in
        defer { rest = nil }
        return rest
      }
    }
  }

  /// Bytes handed out so far.
  public var receivedCount: Int { received.load(ordering: .relaxed) }

  /// The next piece, at most 256 KiB; nil at the end. `FILE_TOO_LARGE` past the route's limit.
  public func next() async throws -> [UInt8]? {
    guard let piece = try await piece(isAligned: false) else { return nil }
    return Array(piece)
  }

  /// The same in memory where each byte has the place in its page that it has in the body, if much comes at once: fit
  /// to be written to a file without a copy.
  public func nextAligned() async throws -> ArraySlice<UInt8>? { try await piece(isAligned: true) }

  private func piece(isAligned: Bool) async throws -> ArraySlice<UInt8>? {
    guard let piece = try await pull(isAligned) else { return nil }
    let total = received.add(piece.count, ordering: .relaxed).newValue
    let limit = limit.load(ordering: .relaxed)
    guard total <= limit else { throw Self.tooLarge(limit) }
    return piece
  }

  /// Sets the route's limit; throws when the declared length is past it already.
  func limit(to count: Int) throws(APIError) {
    limit.store(count, ordering: .relaxed)
    if let declaredLength, declaredLength > count { throw Self.tooLarge(count) }
  }

  /// No body.
  static let none = RequestBody(declaredLength: 0) { nil }

  /// The whole body. `FILE_TOO_LARGE` past `limit` bytes, before more than that is held.
  public func collect(limit: Int) async throws -> [UInt8] {
    if let declaredLength, declaredLength > limit { throw Self.tooLarge(limit) }
    var all: [UInt8] = []
    all.reserveCapacity(declaredLength ?? 0)
    while let piece = try await next() {
      guard all.count + piece.count <= limit else { throw Self.tooLarge(limit) }
      all += piece
    }
    return all
  }

  static func tooLarge(_ limit: Int) -> APIError {
    APIError(.fileTooLarge, "the body is larger than the \(limit) bytes that are accepted here; send less")
  }
}
