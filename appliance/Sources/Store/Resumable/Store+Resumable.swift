public import Core
internal import Crypto
internal import Disk
public import HTTP
internal import StorageAPI
internal import Synchronization

extension Store {
  /// Begins an upload in pieces of `length` bytes. `owner`: who alone may go on with it. `metadata`: what the client
  /// sent, given back on request. With a key a repeated creation gives the upload of the first one, as far as it has
  /// come. Checks and refuses as `beginUpload` does; `RATE_LIMITED` past the owner's bounds.
  public func beginResumable(
    _ draft: FileDraft, length: Int, owner: String, metadata: String, expected: Checksum? = nil,
    once key: OnceKey? = nil
  ) async throws(APIError) -> ResumableUpload {
    var draft = draft
    draft.declaredSize = length
    let once = try key.map { (key) throws(APIError) in try claim(key) }
    if let once, draft.id == nil { draft.id = once.id }
    try check(draft, in: mode)
    let id = draft.id ?? .random(random)
    let ledger = UploadLedger(
      uploadID: .random(random), fileID: id, owner: owner, length: length, touchedAt: shared.time.now(),
      hasChosenID: draft.id == nil ? nil : true, expected: expected, metadata: metadata, draft: .init(draft))
    // A record that cannot fit is refused now, not after its last byte.
    _ = try prepare(
      draft, id: id, checksum: SHA256.digest([UInt8]()), size: length, body: .inline([]), hasChosenID: false,
      checkedIn: nil)
    if once != nil, let earlier = try earlier(ledger) { return earlier }
    let session = UploadSession(ledger)
    guard reserve(session.reserved) else { throw .full }
    do throws(APIError) {
      let leaving = try resumable.add(
        session, isAlone: once != nil, countMax: configuration.openUploadsMax,
        ownerCountMax: configuration.uploadsPerOwnerMax,
        ownerBytesMax: configuration.uploadBytesPerOwnerMax)
      if let leaving { try await forget(leaving) }
      try await create(ledger)
    } catch {
      resumable.remove(ledger.uploadID)
      capacity.release(session.reserved, used: 0)
      throw error
    }
    return ResumableUpload(store: self, session: session)
  }

  /// An upload that `owner` began, finished or not. `NOT_FOUND` for everybody else's too.
  public func resumable(_ id: FileID, owner: String) throws(APIError) -> ResumableUpload {
    guard let session = resumable.find(id), session.ledger.owner == owner, session.phase != .gone else {
      throw ResumableUpload.missing
    }
    return ResumableUpload(store: self, session: session)
  }

  public var resumableSummary: ResumableSummary { resumable.summary }

  /// Removes uploads with which nobody went on, and forgets finished ones; how many. Those at which somebody works are
  /// left alone.
  public func collectResumable(now: Timestamp) async throws(APIError) -> Int {
    var count = 0
    for session in resumable.all where session.touchedAt + configuration.uploadExpiry < now {
      guard let turn = session.turns.takeIfFree() else { continue }
      defer { session.turns.give(back: turn) }
      guard session.touchedAt + configuration.uploadExpiry < now else { continue }
      if session.phase == .finished {
        try await forget(session)
      } else {
        try await drop(session)
        resumable.countExpired()
      }
      count += 1
    }
    return count
  }

  /// The upload that the same request began before. `CONFLICT` when it was another one.
  private func earlier(_ ledger: UploadLedger) throws(APIError) -> ResumableUpload? {
    guard let session = resumable.find(file: ledger.fileID, owner: ledger.owner) else {
      // A document of another kind of upload, or of one that is forgotten.
      if try isDocument(ledger.fileID) { throw Self.otherRequest }
      return nil
    }
    var (old, new) = (session.ledger.draft, ledger.draft)
    (old.traceID, new.traceID) = ("", "")
    guard old == new, session.ledger.length == ledger.length, session.ledger.expected == ledger.expected else {
      throw Self.otherRequest
    }
    return ResumableUpload(store: self, session: session)
  }

  private func create(_ ledger: UploadLedger) async throws(APIError) {
    let (disk, staging) = (shared.tree.disk, shared.tree.staging)
    do throws(DiskError) {
      try await workers.run { () throws(DiskError) in
        try disk.open("\(staging)/\(ledger.partName)", .create).close()
        // Makes both names durable.
        try ledger.write(to: staging, disk)
      }
    } catch {
      throw refusal(error)
    }
  }

  /// Removes an unfinished upload, during a turn or when nobody can take one any more.
  func drop(_ session: UploadSession) async throws(APIError) {
    let end = session.state.withLock { state -> Int? in
      guard state.phase == .open else { return nil }
      state.phase = .gone
      return state.end
    }
    guard let end else { return }
    capacity.release(session.reserved, staged: session.isPartMissing ? 0 : end, used: 0)
    try await forget(session)
  }

  /// Takes it out of memory, its ledger and part off the disk.
  private func forget(_ session: UploadSession) async throws(APIError) {
    let (disk, staging, ledger) = (shared.tree.disk, shared.tree.staging, session.ledger)
    resumable.remove(ledger.uploadID)
    // A full disk may keep an acknowledged document in staging for long.
    let isDocument = shared.placements.stagedName(ledger.fileID) == ledger.partName
    do throws(DiskError) {
      try await workers.run { () throws(DiskError) in
        // The ledger first: a part alone is tidied away at the next start.
        for name in isDocument ? [ledger.name] : [ledger.name, ledger.partName] {
          do throws(DiskError) { try disk.unlink("\(staging)/\(name)") } catch { if !error.isMissing { throw error } }
        }
      }
    } catch {
      throw refusal(error)
    }
  }
}

extension UploadSessions {
  /// What earlier runs left in `staging/`. Parts that nobody knows, ledgers that cannot be read and half-written files
  /// are removed; a part is cut to what its ledger counts. `documents`: parts that are acknowledged documents, for
  /// which there was no room where they belong.
  static func load(_ staging: String, keeping documents: Set<String>, _ disk: any Disk) throws(DiskError)
    -> [UploadSession]
  {
    var sessions: [UploadSession] = []
    var known = documents
    let names = try disk.list(staging).filter { $0.kind == .file }.map(\.name).sorted()
    for name in names where name.hasSuffix(UploadLedger.suffix) {
      let part = name.dropLast(UploadLedger.suffix.count) + ".part"
      switch try UploadLedger.read(name, in: staging, disk) {
      case .foreign: known.insert(String(part))
      case .unreadable: try disk.unlink("\(staging)/\(name)")
      case .ledger(var ledger):
        if documents.contains(ledger.partName) {
          // As if it had been moved into place.
          sessions.append(UploadSession(ledger, isPartMissing: true))
          continue
        }
        known.insert(ledger.partName)
        let size = try disk.stat("\(staging)/\(ledger.partName)")?.size
        if size == nil, ledger.offset < ledger.length {
          try disk.unlink("\(staging)/\(name)")
          continue
        }
        if let size, size < ledger.offset { ledger.offset = size }
        if let size, size > ledger.offset {
          let file = try disk.open("\(staging)/\(ledger.partName)", .update)
          defer { file.close() }
          try file.truncate(to: ledger.offset)
        }
        sessions.append(UploadSession(ledger, isPartMissing: size == nil))
      }
    }
    for name in names where name.hasSuffix(".part") && !known.contains(name) || name.hasSuffix(".tmp") {
      try disk.unlink("\(staging)/\(name)")
    }
    // A half-written ledger that came back under its temporary name could be renamed into place by the next one.
    try disk.syncDirectory(staging, .ledgersTidied)
    return sessions
  }
}
