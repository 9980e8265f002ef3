public import Catalogue
public import Core
public import Fleet
public import HTTP
public import HTTPServer
public import StorageAPI
public import Telemetry

/// Takes documents in: chooses an appliance, streams through, registers. Holds one buffer of a document.
public struct IngestService: Sendable {
  let access: ApplianceAccess
  let registry: FleetRegistry
  let catalogue: FileCatalogue
  let configuration: IngestConfiguration
  let sniffer: ContentSniffer
  let logger: Logger
  let random: any RandomSource

  public init(
    access: ApplianceAccess, registry: FleetRegistry, catalogue: FileCatalogue,
    configuration: IngestConfiguration, sniffer: ContentSniffer, logger: Logger, random: any RandomSource
  ) {
    self.access = access
    self.registry = registry
    self.catalogue = catalogue
    self.configuration = configuration
    self.sniffer = sniffer
    self.logger = logger
    self.random = random
  }

  /// One multipart upload on behalf of `author`. The record once it is durable at an appliance.
  public func upload(_ request: Request, author: String) async throws -> FileRecord {
    let form = try form(request)
    guard try await form.beginDocument(isLast: true) else {
      throw RecordValidation.refuse("file", "the form has no document; send it in the field 'file' with a file name")
    }
    return try await store(form, author: author, trace: request.trace)
  }

  /// Many documents in one form; the fields before the first document hold for all. Each succeeds or fails alone.
  public func uploadBatch(_ request: Request, author: String) async throws -> [BatchResult] {
    let form = try form(request)
    var results: [BatchResult] = []
    while true {
      do {
        guard try await form.beginDocument(isLast: false) else { break }
        guard results.count < configuration.batchFilesMax else {
          throw APIError(
            .validation, "more than \(configuration.batchFilesMax) documents; send them in several batches")
        }
        let record = try await store(form, author: author, trace: request.trace)
        results.append(BatchResult(filename: record.originalFilename, outcome: .success(record.fileID)))
      } catch let error as APIError {
        guard let name = form.document?.filename, results.count < configuration.batchFilesMax else { throw error }
        results.append(BatchResult(filename: name, outcome: .failure(error)))
      }
      form.endDocument()
    }
    return results
  }

  /// Deletes a document where its appliance lets one.
  public func delete(_ id: FileID, author: String, trace: TraceContext? = nil) async throws {
    guard let entry = try await catalogue.entry(id), entry.record.status != .deleted, entry.missingSince == nil
    else { throw APIError(.notFound, "there is no document with this id") }
    let element = try await registry.get(entry.applianceID)
    guard element.mode == .edit else {
      throw APIError(.modeNotAllowed, "permanent documents cannot be deleted; it lies where only temporary ones may be")
    }
    let caller = ApplianceCaller(actsFor: author, trace: trace)
    let position = try await access.client(for: element).delete(id, caller: caller)
    if let place = position.flatMap({ RowPosition($0) }) {
      _ = try await catalogue.tombstone(id, owner: element.id, at: place)
    }
  }

  private func form(_ request: Request) throws(APIError) -> IncomingForm {
    let boundary = try MultipartReader.boundary(contentType: request.head.header("content-type"))
    let body = request.body
    let reader = try MultipartReader(boundary: boundary) { try await body.next() }
    return IncomingForm(reader, fileBytesMax: configuration.fileBytesMax)
  }
}

/// What became of one document of a batch.
public struct BatchResult: Sendable {
  public let filename: String
  public let outcome: Result<FileID, APIError>
}
