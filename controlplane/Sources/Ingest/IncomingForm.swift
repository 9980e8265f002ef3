internal import Core
internal import HTTP
internal import StorageAPI

/// A client's multipart form on its way through: fields before the document, the document, fields after it. One buffer
/// is held. Strictly sequential: at any moment one task pulls, though not always the same.
final class IncomingForm: @unchecked Sendable {  // one task at a time, see above
  private let reader: MultipartReader
  private let fileBytesMax: Int
  private(set) var fields = UploadFields()
  private(set) var document: Document?
  /// Whether more documents may follow this one: then what stands behind it is not its own.
  private var mayHaveMore = false

  /// The document's part as far as it was read.
  struct Document {
    let part: MultipartPart
    let filename: String
    let declaredType: String?
    /// Read to look at it, not yet handed on.
    var held: [[UInt8]] = []
    var count = 0
    var isAtEnd = false

    /// The first bytes, for recognising the type.
    var head: [UInt8] { Array(held.joined().prefix(ContentSniffer.bytesMax)) }
  }

  init(_ reader: MultipartReader, fileBytesMax: Int) {
    self.reader = reader
    self.fileBytesMax = fileBytesMax
  }

  /// Reads up to the next document and the first buffer of it. If that is all of it, the fields behind it are read as
  /// well (unless more documents may follow), so that small uploads may have their fields in any order. False: no
  /// document left.
  func beginDocument(isLast: Bool) async throws -> Bool {
    mayHaveMore = !isLast
    while let part = try await reader.nextPart() {
      guard let filename = part.filename else {
        try await takeField(part)
        continue
      }
      guard part.name == "file" || part.name == "files" else {
        throw RecordValidation.refuse(part.name, "the document must be in the form field 'file'")
      }
      document = Document(part: part, filename: filename, declaredType: part.contentType)
      try RecordValidation.filename(filename)
      while document?.isAtEnd == false, (document?.count ?? 0) < ContentSniffer.bytesMax {
        if let chunk = try await pullPart() { document?.held.append(chunk) }
      }
      if document?.isAtEnd == true, isLast { try await takeFieldsBehind() }
      return true
    }
    return false
  }

  /// The document's next bytes; nil at its end.
  func nextChunk() async throws -> [UInt8]? {
    if let held = document?.held, !held.isEmpty { return document?.held.removeFirst() }
    return try await pullPart()
  }

  /// After the document's end: the fields that were not known when it went out. The policy must not change any more.
  func lateFields() async throws -> [(name: String, value: String)] {
    if mayHaveMore { return [] }
    let known = fields.values.count
    let policy = fields.effectivePolicy
    try await takeFieldsBehind()
    guard fields.effectivePolicy == policy else {
      throw RecordValidation.refuse(
        "retention_policy", "came after the document, whose place was chosen by then; send it before the file")
    }
    return Array(fields.values[known...])
  }

  /// Forgets a document that is done or refused; what is left of it is skipped when the next is begun.
  func endDocument() { document = nil }

  private func pullPart() async throws -> [UInt8]? {
    guard let part = document?.part, document?.isAtEnd == false else { return nil }
    guard let chunk = try await part.nextChunk() else {
      document?.isAtEnd = true
      return nil
    }
    let count = (document?.count ?? 0) + chunk.count
    guard count <= fileBytesMax else { throw Self.tooLarge(fileBytesMax) }
    document?.count = count
    return chunk
  }

  private func takeFieldsBehind() async throws {
    while let part = try await reader.nextPart() {
      guard part.filename == nil else {
        throw RecordValidation.refuse("file", "one document an upload; send several to /api/v1/files/batch/upload")
      }
      try await takeField(part)
    }
  }

  private func takeField(_ part: MultipartPart) async throws {
    try fields.take(part.name, try await part.collectText(limit: UploadFields.bytesMax))
  }

  static func tooLarge(_ limit: Int) -> APIError {
    APIError(
      .fileTooLarge, "the document is larger than the \(limit) bytes that are taken; split it or ask the administrator",
      details: ["limit_bytes": .integer(Int64(limit))])
  }
}
