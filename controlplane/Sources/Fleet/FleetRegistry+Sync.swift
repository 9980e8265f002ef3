public import Catalogue
public import Core
internal import HTTP
public import Identity
internal import StorageAPI

extension FleetRegistry {
  /// Polls the appliance and brings the catalogue to where it is. `full` lists everything even when the feed would do.
  public func sync(
    _ id: FileID, full: Bool = false, by actor: Actor
  ) async throws -> (element: StorageElement, report: SyncReport) {
    let polled = try await health.poll(try await get(id))
    guard polled.status != .offline else {
      throw APIError(.storageElementUnavailable, "the storage element cannot be reached: \(polled.lastError ?? "")")
    }
    let report = try await sync.sync(id, full: full)
    try await record(
      actor, "storage_element.sync", id.description,
      details: [
        "kind": .string(report.kind.rawValue), "added": .integer(Int64(report.added)),
        "deleted": .integer(Int64(report.deleted)), "missing": .integer(Int64(report.missing)),
      ])
    return (try await get(id), report)
  }

  /// Lazy cleanup: an appliance said it has not a file the catalogue lists. Confirmed by a second read, bounded a site
  /// and an hour, reversible by the next sync. True when it was marked.
  /// - Parameter client: how the caller's role talks to the appliance; nil: as the administrator.
  public func reportMissing(_ entry: CatalogueEntry, asking client: ApplianceClient? = nil) async throws -> Bool {
    let element = try await get(entry.applianceID)
    guard !element.lossHold else { return false }
    guard try await files.markedMissingRecently(owner: entry.applianceID) < configuration.lazyMarksPerHourMax else {
      return false
    }
    let client = client ?? access.client(for: element)
    guard try await client.record(entry.record.fileID) == nil else { return false }
    return try await files.markMissing(entry.record.fileID, owner: entry.applianceID, ifStillAt: entry.position)
  }
}
