public import Core
internal import Crypto
internal import Disk
public import HTTP
internal import StorageAPI
internal import Synchronization

/// One document on its way in. Used by one task; releasing it without `finish` gives everything back.
///
/// Small documents stay in memory until they travel inside their journal record. When one grows beyond that, it goes to
/// `staging/`, hashed and written by other threads as it comes, and is synced before its record is written.
public final class Upload: Sendable {
  public let id: FileID
  private let store: Store
  private let draft: FileDraft
  /// The mode that the draft was checked in.
  private let mode: ApplianceMode
  private let state: Mutex<State>
  /// In `staging/`, never used twice: a chosen id may come back after its document was purged, and the journal,
  /// replayed, would take the new bytes for the old ones.
  private let stagingName: String
  /// Set when the client gave a key for it.
  private let once: OnceKeys.Claim?
  /// The request is a repetition: its bytes are read and hashed, and compared with what the first one made.
  private let isRepetition: Bool

  /// Room is promised in steps of this many bytes when the length was not declared.
  static let reservationStep = 8 << 20

  private struct State: ~Copyable {
    var buffer: [UInt8] = []
    /// Writes a document that is too large for memory, and has its file.
    var writer: WriteLane?
    var count = 0
    var reserved: Int
    var digest = SHA256()
    /// Goes on with the digest of such a document.
    var hasher: DigestLane?
    var isOpen = true
  }

  init(
    _ store: Store, draft: FileDraft, id: FileID, mode: ApplianceMode, reserved: Int, once: OnceKeys.Claim? = nil,
    isRepetition: Bool = false
  ) {
    self.store = store
    self.draft = draft
    self.id = id
    self.once = once
    self.isRepetition = isRepetition
    stagingName = "\(draft.id == nil ? id : FileID.random(store.random)).part"
    self.mode = mode
    state = Mutex(State(reserved: reserved))
  }

  deinit { abort() }

  /// Bytes taken so far.
  public var count: Int { state.withLock { $0.count } }

  /// Takes the next bytes, hashing them. `FILE_TOO_LARGE`, `STORAGE_FULL`, `READ_ONLY`.
  public func write(_ bytes: [UInt8]) async throws(APIError) { try await write(bytes[...]) }

  /// The same; pages of memory like the document's are written without being copied.
  public func write(_ bytes: ArraySlice<UInt8>) async throws(APIError) {
    guard let (hasher, writer) = try take(bytes) else { return }
    await hasher.room()
    await writer.room()
  }

  /// What may have to be waited for before the next piece.
  @discardableResult
  func take(_ bytes: ArraySlice<UInt8>) throws(APIError) -> (DigestLane, WriteLane)? {
    try state.withLock { (state) throws(APIError) in
      guard state.isOpen else { throw APIError(.conflict, "this upload has ended") }
      let total = state.count + bytes.count
      guard total <= store.configuration.fileBytesMax else { throw .tooLarge(store.configuration.fileBytesMax) }
      if isRepetition {
        state.digest.update(bytes)
        state.count = total
        return nil
      }
      if total > state.reserved {
        let more = max(total - state.reserved, Self.reservationStep)
        guard store.reserve(more) else { throw .full }
        state.reserved += more
      }
      let isFast: Bool
      do throws(DiskError) {
        isFast = try append(bytes, &state)
      } catch {
        throw store.refusal(error)
      }
      state.count = total
      guard let hasher = state.hasher, let writer = state.writer else {
        state.digest.update(bytes)
        return nil
      }
      hasher.add(bytes, isFast: isFast)
      return (hasher, writer)
    }
  }

  /// Whether the document comes fast.
  private func append(_ bytes: ArraySlice<UInt8>, _ state: inout State) throws(DiskError) -> Bool {
    if let writer = state.writer { return try writer.add(bytes) }
    if state.count + bytes.count <= store.configuration.smallDocumentBytesMax {
      state.buffer.append(contentsOf: bytes)
      return false
    }
    let writer = store.writers.lane(try store.shared.tree.disk.open(stagingPath, .create), at: 0)
    state.writer = writer
    state.hasher = DigestLane(
      DocumentDigest(state.digest.copy(), over: state.buffer), on: store.hashers,
      portionBytes: store.configuration.stagedWriteBytes)
    if let size = draft.declaredSize { try writer.file.allocate(size) }
    try writer.add(state.buffer[...])
    state.buffer = []
    return try writer.add(bytes)
  }

  /// Makes the document durable and visible. `attributes`: when fields followed the bytes, the final draft (its id is
  /// ignored). `expected`: the checksum that the client declared; `CHECKSUM_MISMATCH` when the bytes have another.
  public func finish(
    expected: Checksum? = nil, attributes: FileDraft? = nil
  ) async throws(APIError) -> Committed {
    if isRepetition { return try repeated(expected: expected, attributes ?? draft) }
    let command = try await prepare(expected: expected, attributes: attributes)
    let reply: Command.Reply
    do throws(APIError) {
      reply = try await commit(command)
    } catch {
      isRefused(error)
      // Another request under the same key was first.
      guard once != nil, error.code == .conflict else { throw error }
      let record = command.document.record
      return try store.repeated(id, attributes ?? draft, size: record.size, checksum: record.checksum)
    }
    end(used: count + Capacity.overheadBytes)
    guard case .committed(let committed) = reply else { throw .unexpected }
    if let sums = command.sums { await store.keepSoon(sums, of: committed.record) }
    return committed
  }

  private func commit(_ command: Prepared) async throws(APIError) -> Command.Reply {
    do throws(APIError) {
      return try await store.committer.perform(.put(command.document), by: command.actor)
    } catch {
      guard once != nil, error.code == .conflict, try !store.isDocument(id) else { throw error }
      // The other request's change stood in the same batch and was not visible yet. Now it is, or it has failed.
      return try await store.committer.perform(.put(command.document), by: command.actor)
    }
  }

  private func repeated(expected: Checksum?, _ draft: FileDraft) throws(APIError) -> Committed {
    defer { abort() }
    let (checksum, size) = state.withLock { ($0.digest.current(), $0.count) }
    if let expected, expected != checksum { throw Self.mismatch(checksum, expected) }
    return try store.repeated(id, draft, size: size, checksum: checksum)
  }

  private static func mismatch(_ found: Checksum, _ expected: Checksum) -> APIError {
    APIError(.checksumMismatch, "the bytes that arrived have SHA-256 \(found), not \(expected); send them again")
  }

  struct Prepared: Sendable {
    let document: PreparedDocument
    let actor: Actor
    var sums: BlockSums?
  }

  /// Everything but the commit: checks, hash, and for large documents the syncs that must precede the record.
  func prepare(expected: Checksum?, attributes: FileDraft?) async throws(APIError) -> Prepared {
    do throws(APIError) {
      let checked = attributes == nil ? mode : nil
      let draft = attributes ?? draft
      let (hasher, size, writer, buffer) = try state.withLock { (state) throws(APIError) in
        guard state.isOpen else { throw APIError(.conflict, "this upload has ended") }
        return (state.hasher, state.count, state.writer, state.buffer)
      }
      let found = await hasher?.finish()
      let checksum = found?.checksum ?? state.withLock { $0.digest.current() }
      if let expected, expected != checksum { throw Self.mismatch(checksum, expected) }
      let document = try store.prepare(
        draft, id: id, checksum: checksum, size: size, body: writer == nil ? .inline(buffer) : .staged(stagingName),
        hasChosenID: self.draft.id != nil, checkedIn: checked)
      if let writer { try await makeDurable(writer) }
      return Prepared(document: document, actor: Actor(draft.uploadedBy, traceID: draft.traceID), sums: found?.sums)
    } catch {
      abort()
      throw error
    }
  }

  private func makeDurable(_ writer: WriteLane) async throws(APIError) {
    let (disk, staging) = (store.shared.tree.disk, store.shared.tree.staging)
    do throws(DiskError) { try await writer.flush() } catch { throw store.refusal(error) }
    do throws(DiskError) {
      try await store.workers.run { () throws(DiskError) in
        try disk.reached(.stagingWritten)
        try writer.file.sync(.stagingBytes)
        try disk.reached(.stagingSynced)
        try disk.syncDirectory(staging, .stagingName)
        try disk.reached(.stagingDirectorySynced)
      }
    } catch {
      // A failed sync leaves the disk in doubt: nothing more is written.
      store.shared.status.stop(error.description)
      throw store.refusal(error)
    }
  }

  /// The commit failed. When the disk did, nobody knows whether the record will be found after a restart: the bytes
  /// then stay, for the next start to put them in place or to remove them.
  func isRefused(_ error: APIError) { if error.code == .readOnly { end() } else { abort() } }

  /// Forgets the upload; nothing stays behind.
  public func abort() {
    let isStaged = state.withLock { $0.isOpen && $0.writer != nil }
    end()
    guard isStaged else { return }
    // What cannot be removed now is removed at the next start.
    try? store.shared.tree.disk.unlink(stagingPath)  // see the line above
  }

  /// The process is about to die with its disk: nothing is tidied up. For simulations.
  func forget() { state.withLock { $0.isOpen = false } }

  private func end(used: Int = 0) {
    let (wasOpen, reserved, writer) = state.withLock { state in
      defer {
        state.isOpen = false
        state.reserved = 0
        state.writer = nil
        state.buffer = []
      }
      return (state.isOpen, state.reserved, state.writer)
    }
    guard wasOpen else { return }
    writer?.close()
    store.capacity.release(reserved, used: used)
    store.capacity.leave()
  }

  private var stagingPath: String { "\(store.shared.tree.staging)/\(stagingName)" }
}
