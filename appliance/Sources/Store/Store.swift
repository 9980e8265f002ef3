public import Core
public import Disk
public import HTTP
public import StorageAPI

/// The appliance's store: documents, their attributes, their history.
///
/// Reading calls block for at most a few reads of the index; changes suspend until they are durable. Errors for clients are
/// `APIError` with the contract's codes. Every public call is safe from any task or thread.
public final class Store: Sendable {
  /// Opens or creates the store: takes the lock, recovers the journal, opens the index or begins to rebuild it. Blocks.
  public static func open(
    _ configuration: StoreConfiguration, disk: any Disk, time: any TimeSource, random: any RandomSource
  ) throws(StoreError) -> Store {
    throw .invalid("under construction")
  }

  /// Puts everything acknowledged in place, checkpoints, and lets go of the data directory. Blocks.
  public func close() {}

  /// Checks mode, attributes and room. `MODE_NOT_ALLOWED`, `VALIDATION_ERROR`, `STORAGE_FULL`, `FILE_TOO_LARGE`,
  /// `READ_ONLY`, `OVERLOADED`.
  public func beginUpload(_ draft: FileDraft) throws(APIError) -> Upload { throw .underConstruction }

  /// The record, whatever its status; nil when there is none.
  public func record(_ id: FileID) throws(APIError) -> FileRecord? { throw .underConstruction }

  /// The record as the API returns it; nil when there is none.
  public func recordJSON(_ id: FileID) throws(APIError) -> [UInt8]? { throw .underConstruction }

  /// Opens an active document. `NOT_FOUND` (also for expired and deleted ones), `MODE_NOT_ALLOWED` in `ar`.
  public func open(_ id: FileID) throws(APIError) -> StoredDocument { throw .underConstruction }

  /// Changes attributes. `NOT_FOUND`, `MODE_NOT_ALLOWED`, `VALIDATION_ERROR`.
  public func update(_ id: FileID, _ patch: FilePatch, by actor: Actor) async throws(APIError) -> Committed {
    throw .underConstruction
  }

  /// Marks a document as deleted. `NOT_FOUND` (also when it is deleted already), `MODE_NOT_ALLOWED`.
  public func delete(_ id: FileID, by actor: Actor) async throws(APIError) -> Committed { throw .underConstruction }

  /// Changes the mode. `INVALID_TRANSITION`, `CONFIRMATION_REQUIRED`.
  public func transition(
    to mode: ApplianceMode, confirm: Bool, by actor: Actor
  ) async throws(APIError) -> CommittedTransition { throw .underConstruction }

  /// A page of records. `VALIDATION_ERROR`, `CURSOR_EXPIRED`; `OVERLOADED` while the index is being rebuilt.
  public func list(_ query: ListQuery) async throws(APIError) -> ListPage { throw .underConstruction }

  /// What changed after a position (nil: from the beginning), in LSN order; waits up to `wait` for the first change.
  /// `CURSOR_EXPIRED`: take a full listing.
  public func changes(
    after position: Position?, limit: Int, wait: Duration
  ) async throws(APIError) -> ChangePage { throw .underConstruction }

  /// Records with ids in (`after`, `until`], in id order, with the position they stand for.
  public func range(after: FileID?, until: FileID?, limit: Int) async throws(APIError) -> ChangePage {
    throw .underConstruction
  }

  public func digest() async throws(APIError) -> Digest { throw .underConstruction }

  public var mode: ApplianceMode { .edit }
  public var summary: StoreSummary { get throws(APIError) { throw .underConstruction } }

  init() {}
}

extension APIError {
  static var underConstruction: APIError { APIError(.internalError, "under construction") }
}
