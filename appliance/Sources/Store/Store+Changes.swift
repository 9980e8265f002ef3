public import Core
public import HTTP
public import StorageAPI

extension Store {
  /// Changes attributes. `NOT_FOUND`, `MODE_NOT_ALLOWED`, `VALIDATION_ERROR`.
  public func update(_ id: FileID, _ patch: FilePatch, by actor: Actor) async throws(APIError) -> Committed {
    try DraftRules.check(
      description: patch.description ?? nil, tags: patch.tags ?? [], metadata: patch.metadata ?? nil)
    return try await committed(.patch(id, patch), actor)
  }

  /// Marks a document as deleted. `NOT_FOUND` (also when it is deleted already), `MODE_NOT_ALLOWED`.
  public func delete(_ id: FileID, by actor: Actor) async throws(APIError) -> Committed {
    try await committed(.delete(id), actor)
  }

  /// Marks a document as expired when its time has come. `NOT_FOUND` when there is nothing to do.
  public func expire(_ id: FileID, by actor: Actor) async throws(APIError) -> Committed {
    try await committed(.expire(id), actor)
  }

  /// Removes a document for good that was expired or deleted before `before`. `NOT_FOUND` when there is nothing to do.
  public func purge(_ id: FileID, goneBefore before: Timestamp, by actor: Actor) async throws(APIError) {
    _ = try await committer.perform(.purge(id, before: before), by: actor)
  }

  /// Changes the mode. `INVALID_TRANSITION`, `CONFIRMATION_REQUIRED`.
  public func transition(
    to mode: ApplianceMode, confirm: Bool, by actor: Actor
  ) async throws(APIError) -> CommittedTransition {
    let reply = try await committer.perform(.transition(mode, confirm: confirm), by: actor)
    guard case .transition(let done) = reply else { throw .unexpected }
    return done
  }

  /// Sets any mode: on the host, with nobody else working on the store.
  public func setMode(_ mode: ApplianceMode, by actor: Actor) async throws(APIError) {
    _ = try await committer.perform(.setMode(mode), by: actor)
  }

  /// Writes a line into the audit trail; its LSN.
  @discardableResult
  public func note(_ text: String, by actor: Actor) async throws(APIError) -> UInt64 {
    guard case .done(let lsn) = try await committer.perform(.note(text), by: actor) else { throw .unexpected }
    return lsn
  }

  /// Active documents whose time has come.
  public func expired(at time: Timestamp, limit: Int) throws(APIError) -> [FileID] {
    try reading { (index) throws(SQLiteError) in try index.expired(at: time, limit: limit) }
  }

  /// Expired and deleted documents unchanged since `time`.
  public func removable(before time: Timestamp, limit: Int) throws(APIError) -> [FileID] {
    try reading { (index) throws(SQLiteError) in try index.removable(before: time, limit: limit) }
  }

  func committed(_ action: Command.Action, _ actor: Actor) async throws(APIError) -> Committed {
    guard case .committed(let done) = try await committer.perform(action, by: actor) else { throw .unexpected }
    return done
  }

  func reading<Result>(_ body: (Index) throws(SQLiteError) -> Result) throws(APIError) -> Result {
    do throws(SQLiteError) {
      return try body(shared.index)
    } catch {
      throw APIError(.internalError, "the index cannot be read", cause: error)
    }
  }
}

extension APIError {
  static var unexpected: APIError { APIError(.internalError, "the storage gave an answer of another kind") }
}
