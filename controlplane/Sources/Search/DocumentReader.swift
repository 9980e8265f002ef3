public import Catalogue
public import Core
public import Fleet
internal import HTTP
internal import HTTPClient
public import HTTPServer
public import StorageAPI
public import Telemetry

/// Reads documents from the appliances that hold them. Storage names and addresses never leave the inside.
public struct DocumentReader: Sendable {
  private let access: ApplianceAccess
  private let registry: FleetRegistry
  private let catalogue: FileCatalogue
  private let logger: Logger

  public init(access: ApplianceAccess, registry: FleetRegistry, catalogue: FileCatalogue, logger: Logger) {
    self.access = access
    self.registry = registry
    self.catalogue = catalogue
    self.logger = logger
  }

  /// The record of a document that is there; `NOT_FOUND` otherwise.
  public func record(_ id: FileID) async throws -> FileRecord { try await entry(id).record }

  /// The document's bytes, streamed through with the client's range and conditions. `SE_UNAVAILABLE` when its appliance
  /// is away.
  public func download(_ id: FileID, _ request: Request, author: String? = nil) async throws -> Response {
    let entry = try await entry(id)
    let client = access.client(for: try await registry.get(entry.applianceID))
    let caller = ApplianceCaller(actsFor: author ?? request.principal.author, trace: request.trace)
    guard let answer = try await Self.open(id, request, client, caller) else {
      try await forget(entry, client)
      throw Self.notFound
    }
    var response = Response(answer.status)
    for name in Self.passedHeaders { if let value = answer.headers[name] { response.headers.append(name, value) } }
    let body = answer.body
    response.body = .stream(length: answer.contentLength) { writer in
      while let chunk = try await body.next() { try await writer.write(chunk) }
    }
    return response
  }

  /// Nil when the appliance says it has no such document.
  private static func open(
    _ id: FileID, _ request: Request, _ client: ApplianceClient, _ caller: ApplianceCaller
  ) async throws(APIError) -> ClientResponse? {
    do throws(APIError) {
      return try await client.download(id, method: request.method, headers: request.head.headers, caller: caller)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  private func entry(_ id: FileID) async throws -> CatalogueEntry {
    guard let entry = try await catalogue.entry(id), entry.record.status != .deleted, entry.missingSince == nil else {
      throw Self.notFound
    }
    return entry
  }

  /// Lazy cleanup; the client's answer does not depend on it.
  private func forget(_ entry: CatalogueEntry, _ client: ApplianceClient) async throws {
    guard try await registry.reportMissing(entry, asking: client) else { return }
    logger.warning(
      "marked a document missing that its appliance does not have", ["file_id": .text(entry.record.fileID)])
  }

  private static var notFound: APIError { APIError(.notFound, "there is no document with this id") }

  private static let passedHeaders = [
    "Content-Type", "Content-Range", "Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges", "Repr-Digest",
    "Cache-Control",
  ]
}
