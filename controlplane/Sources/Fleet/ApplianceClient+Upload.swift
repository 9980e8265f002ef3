internal import Catalogue
public import Core
public import HTTP
internal import HTTPClient
internal import JWT
public import StorageAPI
internal import Synchronization

/// A document on its way to an appliance. Fields known beforehand go before the file, so that a refusal comes early.
public struct ApplianceUpload: Sendable {
  public var fileID: FileID
  public var uploadedBy: String
  public var filename: String
  public var contentType: String
  /// Further fields in the contract's text form (`description`, `tags`, `retention_policy`, `ttl_days`, `metadata`).
  public var fields: [(name: String, value: String)]
  /// The document, chunk by chunk; nil at its end. Not pulled before the appliance has agreed to take it.
  public var body: @Sendable () async throws -> [UInt8]?
  /// Asked after the body's end: fields that stood behind the file in the client's form.
  public var lateFields: @Sendable () async throws -> [(name: String, value: String)]

  public init(
    fileID: FileID, uploadedBy: String, filename: String, contentType: String, fields: [(name: String, value: String)],
    body: @escaping @Sendable () async throws -> [UInt8]?,
    lateFields: @escaping @Sendable () async throws -> [(name: String, value: String)] = { [] }
  ) {
    self.fileID = fileID
    self.uploadedBy = uploadedBy
    self.filename = filename
    self.contentType = contentType
    self.fields = fields
    self.body = body
    self.lateFields = lateFields
  }
}

/// What became of an upload that did not succeed.
public struct ApplianceUploadError: Error, Sendable {
  /// For the client, unless another appliance is tried.
  public let error: APIError
  /// No byte of the body was pulled: another appliance may be tried with the same upload.
  public let isBodyUntouched: Bool
}

extension ApplianceClient {
  /// Streams a document through, holding one chunk. Asks first (`Expect: 100-continue`), so that a refusal costs no
  /// body bytes. Errors thrown by `body` come back as they are when they are `APIError`.
  public func upload(
    _ upload: ApplianceUpload, caller: ApplianceCaller
  ) async throws(ApplianceUploadError) -> (record: FileRecord, position: Position) {
    let form = UploadForm(upload, boundary: "artstore-" + Hex.encode(access.random.bytes(16)))
    var call = Call(.post, AppliancePaths.upload, scopes: [.filesWrite], caller: caller)
    call.headers["Content-Type"] = "multipart/form-data; boundary=\(form.boundary)"
    call.body = .stream(length: nil) { try await form.next() }
    call.timeouts = ClientTimeouts(total: nil, stall: .seconds(60))
    call.expectsContinue = true
    do throws(APIError) {
      var response = try await sendOnce(call, fresh: false)
      if response.status == .unauthorized, form.isUntouched {
        _ = try await Self.collect(response)
        try await deliverTrust()
        form.rewind()
        response = try await sendOnce(call, fresh: true)
      }
      response = try await checked(response, call)
      let position = response.headers[Position.headerName].flatMap { Position(cursor: $0) }
      let bytes = try await Self.collect(response)
      guard let position else { throw Self.strange("an upload was answered without its position") }
      do {
        return (try JSON.decode(FileRecord.self, from: bytes), position)
      } catch {
        throw Self.strange(JSON.explain(error))
      }
    } catch {
      throw ApplianceUploadError(error: form.failure ?? error, isBodyUntouched: form.isUntouched)
    }
  }
}

/// Writes a multipart/form-data body (RFC 7578) while the document is pulled.
private final class UploadForm: Sendable {
  let boundary: String
  private let upload: ApplianceUpload
  private let state = Mutex(State())

  private enum Step { case head, body, late, end }

  private struct State {
    var step = Step.head
    var isUntouched = true
    var failure: APIError?
  }

  init(_ upload: ApplianceUpload, boundary: String) {
    self.upload = upload
    self.boundary = boundary
  }

  /// Whether the document itself was not asked for yet.
  var isUntouched: Bool { state.withLock { $0.isUntouched } }

  /// What the source threw, if that is why it ended.
  var failure: APIError? { state.withLock { $0.failure } }

  /// Before a repetition: only while untouched.
  func rewind() { state.withLock { $0.step = .head } }

  func next() async throws -> [UInt8]? {
    switch state.withLock({ $0.step }) {
    case .head:
      state.withLock { $0.step = .body }
      return head()
    case .body:
      state.withLock { $0.isUntouched = false }
      if let chunk = try await guarded({ try await self.upload.body() }) { return chunk }
      state.withLock { $0.step = .late }
      return try await next()
    case .late:
      state.withLock { $0.step = .end }
      let fields = try await guarded { try await self.upload.lateFields() }
      return Array("\r\n".utf8) + fields.flatMap { field($0.name, $0.value) } + Array("--\(boundary)--\r\n".utf8)
    case .end: return nil
    }
  }

  private func head() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes += field("file_id", upload.fileID.description)
    bytes += field("uploaded_by", upload.uploadedBy)
    for (name, value) in upload.fields { bytes += field(name, value) }
    let type = upload.contentType.filter { !$0.isNewline }
    let lines = """
      --\(boundary)\r
      Content-Disposition: form-data; name="file"; filename*=UTF-8''\(PercentEncoding.encode(upload.filename))\r
      Content-Type: \(type)\r
      \r

      """
    return bytes + Array(lines.utf8)
  }

  private func field(_ name: String, _ value: String) -> [UInt8] {
    Array("--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
  }

  private func guarded<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await body()
    } catch {
      state.withLock { state in
        state.failure = error as? APIError ?? APIError(.internalError, "the upload's source failed", cause: error)
      }
      throw error
    }
  }
}
