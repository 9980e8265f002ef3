public import Core
public import Crypto
internal import Disk
public import HTTP
internal import StorageAPI
internal import Synchronization

/// One document that comes in pieces over several requests, connections and restarts (tus 1.0).
///
/// What was acknowledged as an offset is durable: a piece is synced, and the ledger with it, before `append` returns,
/// and every `syncBytes` within a long one. A piece that breaks off keeps what came of it, unless its own checksum was
/// declared: then it counts as a whole or not at all.
public struct ResumableUpload: Sendable {
  let store: Store
  let session: UploadSession

  /// A restart of the machine loses at most this much of a piece that is coming in, or `syncInterval` of it.
  static let syncBytes = 16 << 20
  static let syncInterval: Duration = .seconds(5)

  /// What a client is told.
  public struct Progress: Sendable {
    public let offset: Int
    public let length: Int
    public let expiresAt: Timestamp
    public let isFinished: Bool
    /// Set when this very call made it a document.
    public var committed: Committed?
  }

  /// What the client declared about one piece.
  public struct PieceDigest: Sendable {
    public let algorithm: RunningDigest.Algorithm
    public let value: [UInt8]

    public init(_ algorithm: RunningDigest.Algorithm, _ value: [UInt8]) {
      self.algorithm = algorithm
      self.value = value
    }
  }

  public var id: FileID { session.ledger.uploadID }
  /// The id of the document that it is, or will be.
  public var fileID: FileID { session.ledger.fileID }
  /// The client's `Upload-Metadata`, as it was sent.
  public var metadata: String { session.ledger.metadata }

  /// Whether no byte has come yet.
  public var isAtItsBeginning: Bool { session.phase == .open && session.offset == 0 && session.ledger.length > 0 }

  /// Where it stands. A request that still brings bytes is ended first, so that the answer stays true; when every byte
  /// is there and the last answer was lost with a crash, the document is made now.
  public func look() async throws(APIError) -> Progress {
    let turn = try await take()
    defer { session.turns.give(back: turn) }
    guard session.phase == .open, session.offset == session.ledger.length else { return progress }
    return try await finish()
  }

  /// Takes a piece that begins at `offset`. `CONFLICT` when that is not where the upload stands, when it is finished,
  /// or when a newer request takes over; `CHECKSUM_MISMATCH` (460) when the piece is not what was declared, which
  /// leaves the upload as it was; `FILE_TOO_LARGE` past its length. With the last byte the document becomes durable
  /// and visible.
  public func append(
    at offset: Int, declared: Int?, digests: [PieceDigest] = [],
    from next: @escaping @Sendable () async throws -> [UInt8]?
  ) async throws -> Progress {
    // Asked before anybody is interrupted: a request that cannot succeed disturbs nobody.
    try require(offset, declared)
    let turn = try await take()
    defer {
      closeFile()
      session.turns.give(back: turn)
    }
    try require(offset, declared)
    if session.offset < session.ledger.length {
      try openFile()
      try await receive(turn, digests, next)
    } else if let extra = try await next(), !extra.isEmpty {
      throw tooLong
    }
    return session.offset == session.ledger.length ? try await finish() : progress
  }

  /// Ends it and gives back what it holds. `CONFLICT` when it is a document already.
  public func remove() async throws(APIError) {
    let turn = try await take()
    defer { session.turns.give(back: turn) }
    guard session.phase != .finished else { throw Self.finished }
    try await store.drop(session)
  }

  var progress: Progress {
    session.state.withLock { state in
      Progress(
        offset: state.offset, length: session.ledger.length,
        expiresAt: state.touchedAt + store.configuration.uploadExpiry, isFinished: state.phase == .finished)
    }
  }

  // MARK: Checks

  private func take() async throws(APIError) -> UploadTurn {
    let turn = try await session.turns.take()
    guard session.phase != .gone else {
      session.turns.give(back: turn)
      throw Self.missing
    }
    return turn
  }

  private func require(_ offset: Int, _ declared: Int?) throws(APIError) {
    let (phase, current) = session.state.withLock { ($0.phase, $0.offset) }
    guard phase != .gone else { throw Self.missing }
    guard offset == current, phase == .open else {
      guard phase == .open else { throw Self.finished }
      throw APIError(
        .conflict, "the upload stands at byte \(current), not \(offset); go on from there",
        details: ["offset": .integer(Int64(current))])
    }
    if let reason = store.readOnlyReason { throw .readOnly(reason) }
    guard store.mode.allows(.upload) else { throw .notAllowed(.upload, in: store.mode) }
    if let declared, declared > session.ledger.length - offset { throw tooLong }
  }

  private var tooLong: APIError {
    APIError(
      .fileTooLarge, "the piece goes past the \(session.ledger.length) bytes that Upload-Length declared",
      details: ["limit_bytes": .integer(Int64(session.ledger.length))])
  }

  static var missing: APIError {
    APIError(.notFound, "there is no such upload; it has expired, was deleted, or never was")
  }

  static var finished: APIError { APIError(.conflict, "the upload is finished; what it became cannot be changed") }

  // MARK: One piece

  /// Takes bytes until they end or a newer request wants the turn.
  private func receive(
    _ turn: UploadTurn, _ digests: [PieceDigest], _ next: @escaping @Sendable () async throws -> [UInt8]?
  ) async throws {
    do {
      try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          try await receive(digests, next)
          return true
        }
        group.addTask {
          await turn.preempted()
          return false
        }
        let isWhole = try await group.next() ?? false
        group.cancelAll()
        // The one that takes bytes puts them in order before it ends, and says how that went.
        if !isWhole { _ = try await group.next() }
      }
    } catch {
      guard turn.isPreempted else { throw error }
      store.resumable.countPreempted()
      throw UploadTurn.taken
    }
  }

  private func receive(_ digests: [PieceDigest], _ next: @Sendable () async throws -> [UInt8]?) async throws {
    let isVerified = !digests.isEmpty
    let running = digests.map { RunningDigest($0.algorithm) }
    do {
      while let bytes = try await next() {
        await (try write(bytes, isTentative: isVerified)).room()
        for digest in running { digest.update(bytes) }
        if isSyncDue { try await persist() }
      }
      for (digest, declared) in zip(running, digests) where digest.finish() != declared.value {
        throw APIError(
          .checksumMismatch,
          "the bytes that arrived do not have the \(declared.algorithm.rawValue) declared for them; "
            + "send the piece again", status: .checksumMismatch)
      }
      if isVerified {
        // Whole or not at all: also when it cannot be written.
        try await flush()
        acceptTentative()
      }
    } catch {
      if isVerified { dropTentative() }
      // What came is kept, so that a bad link comes forward with every try. When this fails the offset on the disk is
      // an older one, which the next HEAD tells; the error that ended the piece is the one to answer.
      try? await persist()  // see the lines above
      throw error
    }
    try await persist()
  }

  private func write(_ bytes: [UInt8], isTentative: Bool) throws(APIError) -> WriteLane {
    try session.state.withLock { (state) throws(APIError) in
      guard let writer = state.writer, state.phase == .open else { throw Self.missing }
      let end = state.end + bytes.count
      guard end <= session.ledger.length else { throw tooLong }
      do throws(DiskError) { try writer.add(bytes[...]) } catch { throw store.refusal(error) }
      store.capacity.stage(bytes.count)
      state.end = end
      if isTentative {
        if state.tentative == nil, state.hashed == state.offset { state.tentative = state.digest.copy() }
        state.tentative?.update(bytes)
      } else {
        if state.hashed == state.offset {
          state.digest.update(bytes)
          state.hashed = end
        }
        state.offset = end
      }
      return writer
    }
  }

  private func flush() async throws(APIError) {
    let writer = session.state.withLock { $0.writer }
    do throws(DiskError) { try await writer?.flush() } catch { throw store.refusal(error) }
  }

  private func acceptTentative() {
    session.state.withLock { state in
      if let digest = state.tentative.take() {
        state.digest = digest
        state.hashed = state.end
      }
      state.offset = state.end
    }
  }

  private func dropTentative() {
    session.state.withLock { state in
      _ = state.tentative.take()
      // What stays in the part is written over: nothing counts beyond the offset.
      store.capacity.stage(state.offset - state.end)
      state.end = state.offset
    }
  }

  /// A write failed: what was taken beyond `written` is as if it had not come.
  func takeBack(to written: Int) {
    session.state.withLock { state in
      let end = min(state.offset, written)
      store.capacity.stage(end - state.end)
      (state.offset, state.end) = (end, end)
      guard state.hashed > end else { return }
      // Read again when the last byte is there, as after a restart.
      state.digest = DocumentDigest()
      state.hashed = 0
    }
  }

  private var isSyncDue: Bool {
    session.state.withLock { state in
      state.offset - state.durable >= Self.syncBytes
        || state.offset > state.durable && store.shared.time.uptime() - state.persistedAt >= Self.syncInterval
    }
  }

  private func openFile() throws(APIError) {
    let path = "\(store.shared.tree.staging)/\(session.ledger.partName)"
    do throws(DiskError) {
      let file = try store.shared.tree.disk.open(path, .update)
      session.state.withLock { state in
        state.writer = store.writers.lane(file, at: state.end)
        state.persistedAt = store.shared.time.uptime()
      }
    } catch {
      throw store.refusal(error)
    }
  }

  private func closeFile() {
    session.state.withLock { state in
      state.writer?.close()
      state.writer = nil
    }
  }
}
