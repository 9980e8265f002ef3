internal import Core
internal import Crypto
internal import Disk
internal import Glibc
internal import HTTP
internal import HTTPServer
internal import Reactor
internal import StorageAPI
internal import Store

/// What every answer about one document shares: its validators, its fields and where its bytes are. Made once for a
/// document and kept by the store while the document stays as it is.
final class PreparedDocument: DocumentAnswer {
  let size: Int
  let contentType: String
  let tag: EntityTag
  let lastModified: Timestamp
  /// Of every answer, 304 included.
  let headers: HeaderFields
  /// The same with the document's type.
  let bodyHeaders: HeaderFields
  let source: DocumentSource

  init(_ document: StoredDocument, in store: Store) throws(APIError) {
    let record = document.record
    size = record.size
    contentType = record.contentType
    tag = EntityTag(record.checksum.description)
    lastModified = record.uploadedAt
    let fields: HeaderFields = [
      "ETag": tag.description,
      "Last-Modified": HTTPDate.format(record.uploadedAt),
      "Accept-Ranges": "bytes",
      "Repr-Digest": DigestFields.field(record.checksum),
      "Content-Disposition": ContentDisposition.attachment(filename: record.originalFilename),
      "Cache-Control": "private, no-cache",
      // A document is never a page of ours, whatever type its uploader named.
      "X-Content-Type-Options": "nosniff",
    ]
    headers = fields.prepared()
    var withType = fields
    withType.append("Content-Type", record.contentType)
    bodyHeaders = withType.prepared()
    source = try DocumentSource(document, in: store)
  }
}

/// Where a document's bytes come from: memory while they are not in place yet, otherwise its file.
enum DocumentSource: Sendable {
  case bytes([UInt8])
  case file(CheckedDocument)

  /// A document up to this size is read once and kept: with the most read ones (256) it takes 4 MiB, and neither a
  /// descriptor nor a read for each answer.
  static let keptBytesMax = 16_384

  /// The store's handle may close before the answer is sent, so the answer gets a descriptor of its own.
  init(_ document: StoredDocument, in store: Store) throws(APIError) {
    let path = "the document's file"
    switch document.body {
    case .bytes(let bytes): self = .bytes(bytes)
    case .file(let file):
      if let bytes = Self.small(file, document.record) {
        self = .bytes(bytes)
        return
      }
      guard let descriptor = file.descriptor else {
        throw APIError(.internalError, "the document cannot be read", cause: DiskError("dup", path, code: EBADF))
      }
      let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
      guard own >= 0 else {
        throw APIError(
          .overloaded, "too many files are open; try again soon", cause: DiskError("dup", path, code: errno))
      }
      self = .file(CheckedDocument(document.record, OpenFile(descriptor: own), of: store))
    }
  }

  /// The bytes of a small document that can be had without waiting for the disk, if they are what was uploaded.
  private static func small(_ file: any DiskFile, _ record: FileRecord) -> [UInt8]? {
    let size = record.size
    guard size <= keptBytesMax, let descriptor = file.descriptor else { return nil }
    var isWhole = false
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      if case .bytes(size) = FileRead.cached(descriptor, into: UnsafeMutableRawBufferPointer(buffer), at: 0) {
        (isWhole, count) = (true, size)
      }
    }
    return isWhole && SHA256.digest(bytes) == record.checksum ? bytes : nil
  }

  func slice(_ first: Int, _ count: Int) -> ResponseBody {
    switch self {
    case .bytes(let bytes): .bytes(first == 0 && count == bytes.count ? bytes : Array(bytes[first..<first + count]))
    case .file(let file): .file(FileSlice(file: file.file, offset: first, count: count, check: file))
    }
  }

  func write(_ first: Int, _ count: Int, to writer: any BodyWriter) async throws {
    switch self {
    case .bytes(let bytes): try await writer.write(Array(bytes[first..<first + count]))
    case .file(let file): try await writer.write(FileSlice(file: file.file, offset: first, count: count, check: file))
    }
  }
}
