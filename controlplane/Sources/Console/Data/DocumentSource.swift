internal import HTTP

/// The bytes of a document on their way out of a form. Whoever stores it pulls; nothing is held.
final class DocumentSource: @unchecked Sendable {  // one task pulls at a time, and only while the form's handler waits
  private let part: MultipartPart

  init(_ part: MultipartPart) { self.part = part }

  /// The next bytes; nil at the end.
  func next() async throws -> [UInt8]? { try await part.nextChunk() }
}
