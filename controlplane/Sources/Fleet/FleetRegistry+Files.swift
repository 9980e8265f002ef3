public import Catalogue
public import Core
internal import HTTP
public import Identity
internal import StorageAPI

extension FleetRegistry {
  /// A file of the registry, tombstones included. Throws `NOT_FOUND`.
  public func file(_ id: FileID) async throws -> CatalogueEntry {
    guard let entry = try await files.entry(id) else { throw APIError(.notFound, "there is no file \(id)") }
    return entry
  }

  /// Registers a file that lies on an appliance: what counts is what the appliance says, not what the caller says.
  public func registerFile(_ id: FileID, at element: FileID, by actor: Actor) async throws -> CatalogueEntry {
    let client = access.client(for: try await get(element))
    guard let found = try await client.record(id, caller: ApplianceCaller(actsFor: actor.subject)) else {
      throw APIError(.notFound, "the storage element has no file \(id)")
    }
    guard let position = found.position.flatMap({ RowPosition($0) }) else {
      // Without a position there is nothing to order it by: the feed brings it.
      _ = try await sync.sync(element, full: false)
      return try await file(id)
    }
    guard try await files.put(found.record, owner: element, at: position) != .foreignOwner else {
      throw APIError(.conflict, "the file \(id) belongs to another storage element; it is never reassigned")
    }
    try await record(actor, "file.register", id.description)
    return try await file(id)
  }

  /// Changes description, tags or metadata on the file's appliance and registers the answer. `body`: the contract's
  /// PATCH object.
  public func updateFile(_ id: FileID, body: [UInt8], by actor: Actor) async throws -> CatalogueEntry {
    let entry = try await file(id)
    let client = access.client(for: try await get(entry.applianceID))
    let changed = try await client.update(id, body: body, caller: ApplianceCaller(actsFor: actor.subject))
    if let position = changed.position.flatMap({ RowPosition($0) }) {
      _ = try await files.put(changed.record, owner: entry.applianceID, at: position)
    } else {
      _ = try await sync.sync(entry.applianceID, full: false)
    }
    try await record(actor, "file.update", id.description)
    return try await file(id)
  }

  /// Deletes a file on its appliance (only where that is in `edit`) and registers it as deleted.
  public func deleteFile(_ id: FileID, by actor: Actor) async throws {
    let entry = try await file(id)
    guard entry.record.status != .deleted else { throw APIError(.notFound, "the file \(id) is deleted already") }
    let client = access.client(for: try await get(entry.applianceID))
    let position = try await client.delete(id, caller: ApplianceCaller(actsFor: actor.subject))
    if let position = position.flatMap({ RowPosition($0) }) {
      var gone = entry.record
      gone.status = .deleted
      _ = try await files.put(gone, owner: entry.applianceID, at: position)
    } else {
      _ = try await sync.sync(entry.applianceID, full: false)
    }
    try await record(actor, "file.delete", id.description)
  }
}
