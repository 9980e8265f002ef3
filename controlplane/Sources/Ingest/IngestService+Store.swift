internal import Catalogue
internal import Core
internal import Fleet
internal import HTTP
internal import StorageAPI
internal import Telemetry

extension IngestService {
  /// Sends the form's document to the first appliance that takes it. One that refuses before the document's first byte
  /// was sent is passed over; after that the upload has failed, for the bytes are gone.
  func store(_ form: IncomingForm, author: String, trace: TraceContext) async throws -> FileRecord {
    guard let document = form.document else { preconditionFailure("store is called with a document that has begun") }
    let type = try await contentType(document)
    let policy = form.fields.effectivePolicy
    let candidates = try await registry.candidates(for: policy, size: document.isAtEnd ? document.count : nil)
    let upload = ApplianceUpload(
      fileID: .random(random), uploadedBy: author, filename: document.filename, contentType: type,
      fields: form.fields.outgoing, body: { try await form.nextChunk() }, lateFields: { try await form.lateFields() })
    var refusal: APIError?
    for element in candidates {
      do throws(ApplianceUploadError) {
        let caller = ApplianceCaller(actsFor: author, trace: trace)
        let (record, position) = try await access.client(for: element).upload(upload, caller: caller)
        await register(record, position, element)
        return record
      } catch {
        guard error.isBodyUntouched, Self.isAnotherWorthTrying(error.error.code) else {
          throw Self.final(error.error)
        }
        logger.warning(
          "appliance refused an upload, trying the next",
          ["appliance": .string(element.name), "code": .string(error.error.code.rawValue)])
        refusal = error.error
      }
    }
    if refusal?.code == .storageFull {
      throw APIError(.storageFull, "every appliance for \(policy.rawValue) documents is full; ask the administrator")
    }
    throw APIError(
      .noStorageAvailable, "no appliance for \(policy.rawValue) documents takes uploads now; try again later")
  }

  /// The document is durable by now. A registration that is lost is made up for by the change feed.
  private func register(_ record: FileRecord, _ position: Position, _ element: StorageElement) async {
    do {
      guard let place = RowPosition(position) else {
        return logger.error("an appliance named an impossible position", ["appliance": .string(element.name)])
      }
      _ = try await catalogue.put(record, owner: element.id, at: place)
    } catch {
      logger.warning(
        "registration failed; the next sync makes up for it",
        ["file_id": .text(record.fileID), "error": .error(error)])
    }
  }

  /// What the client says, unless it says nothing useful; what the content says decides whether it is taken.
  private func contentType(_ document: IncomingForm.Document) async throws -> String {
    let recognised = try await sniffer.mediaType(of: document.head)
    let allowed = configuration.allowedTypes
    guard allowed.isEmpty || allowed.contains(where: { Self.matches($0, recognised) }) else {
      throw APIError(
        .unsupportedType,
        "documents of the type \(recognised) are not taken; those that are: "
          + allowed.joined(separator: ", "))
    }
    guard let declared = document.declaredType, declared != "application/octet-stream" else { return recognised }
    try RecordValidation.contentType(declared)
    return declared
  }

  private static func matches(_ pattern: String, _ type: String) -> Bool {
    pattern.hasSuffix("/*") ? type.hasPrefix(pattern.dropLast()) : pattern == type
  }

  private static func isAnotherWorthTrying(_ code: ErrorCode) -> Bool {
    switch code {
    case .storageFull, .readOnly, .modeNotAllowed, .storageElementUnavailable, .overloaded, .rateLimited: true
    default: false
    }
  }

  private static func final(_ error: APIError) -> APIError {
    guard error.code == .storageElementUnavailable else { return error }
    var failed = APIError(.uploadFailed, "the appliance was lost in the middle of the upload; send the document again")
    failed.cause = error.cause ?? error.message
    return failed
  }
}
