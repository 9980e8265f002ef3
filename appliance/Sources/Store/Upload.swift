public import Core
internal import Crypto
internal import Disk
public import HTTP
internal import StorageAPI
internal import Synchronization

/// One document on its way in. Used by one task; releasing it without `finish` gives everything back.
///
/// Small documents stay in memory until they travel inside their journal record. When one grows beyond that, it goes to
/// `staging/`, written behind as it comes, and is synced before its record is written.
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

  /// Room is promised in steps of this many bytes when the length was not declared.
  static let reservationStep = 8 << 20
  private static let writeBehindBytes = 8 << 20

  private struct State: ~Copyable {
    var buffer: [UInt8] = []
    var file: (any DiskFile)?
    var count = 0
    var writtenBehind = 0
    var reserved: Int
    var digest = SHA256()
    var isOpen = true
  }

  init(_ store: Store, draft: FileDraft, id: FileID, mode: ApplianceMode, reserved: Int) {
    self.store = store
    self.draft = draft
    self.id = id
    stagingName = "\(draft.id == nil ? id : FileID.random(store.random)).part"
    self.mode = mode
    state = Mutex(State(reserved: reserved))
  }

  deinit { abort() }

  /// Bytes taken so far.
  public var count: Int { state.withLock { $0.count } }

  /// Takes the next bytes, hashing them. `FILE_TOO_LARGE`, `STORAGE_FULL`, `READ_ONLY`.
  public func write(_ bytes: [UInt8]) async throws(APIError) { try take(bytes) }

  func take(_ bytes: [UInt8]) throws(APIError) {
    try state.withLock { (state) throws(APIError) in
      guard state.isOpen else { throw APIError(.conflict, "this upload has ended") }
      let total = state.count + bytes.count
      guard total <= store.configuration.fileBytesMax else { throw .tooLarge(store.configuration.fileBytesMax) }
      if total > state.reserved {
        let more = max(total - state.reserved, Self.reservationStep)
        guard store.reserve(more) else { throw .full }
        state.reserved += more
      }
      do throws(DiskError) {
        try append(bytes, &state)
      } catch {
        throw store.refusal(error)
      }
      state.digest.update(bytes)
      state.count = total
    }
  }

  private func append(_ bytes: [UInt8], _ state: inout State) throws(DiskError) {
    if state.file == nil, state.count + bytes.count <= store.configuration.smallDocumentBytesMax {
      state.buffer.append(contentsOf: bytes)
      return
    }
    let file: any DiskFile
    if let open = state.file {
      file = open
    } else {
      file = try store.shared.tree.disk.open(stagingPath, .create)
      state.file = file
      if let size = draft.declaredSize { try file.allocate(size) }
      try file.write(state.buffer, at: 0)
      state.buffer = []
    }
    try file.write(bytes, at: state.count)
    let end = state.count + bytes.count
    if end - state.writtenBehind >= Self.writeBehindBytes {
      file.startWriteback(at: state.writtenBehind, count: end - state.writtenBehind)
      state.writtenBehind = end
    }
  }

  /// Makes the document durable and visible. `attributes`: when fields followed the bytes, the final draft (its id is
  /// ignored). `expected`: the checksum that the client declared; `CHECKSUM_MISMATCH` when the bytes have another.
  public func finish(
    expected: Checksum? = nil, attributes: FileDraft? = nil
  ) async throws(APIError) -> Committed {
    let command = try await prepare(expected: expected, attributes: attributes)
    let reply: Command.Reply
    do throws(APIError) {
      reply = try await store.committer.perform(.put(command.document), by: command.actor)
    } catch {
      abort()
      throw error
    }
    end(used: count + Capacity.overheadBytes)
    guard case .committed(let committed) = reply else { throw .unexpected }
    return committed
  }

  struct Prepared: Sendable {
    let document: PreparedDocument
    let actor: Actor
  }

  /// Everything but the commit: checks, hash, and for large documents the syncs that must precede the record.
  func prepare(expected: Checksum?, attributes: FileDraft?) async throws(APIError) -> Prepared {
    do throws(APIError) {
      let checked = attributes == nil ? mode : nil
      let draft = attributes ?? draft
      let (checksum, size, file, buffer) = try state.withLock { (state) throws(APIError) in
        guard state.isOpen else { throw APIError(.conflict, "this upload has ended") }
        return (state.digest.current(), state.count, state.file, state.buffer)
      }
      if let expected, expected != checksum {
        throw APIError(
          .checksumMismatch, "the bytes that arrived have SHA-256 \(checksum), not \(expected); send them again")
      }
      let document = try store.prepare(
        draft, id: id, checksum: checksum, size: size, body: file == nil ? .inline(buffer) : .staged(stagingName),
        hasChosenID: self.draft.id != nil, checkedIn: checked)
      if let file { try await makeDurable(file) }
      return Prepared(document: document, actor: Actor(draft.uploadedBy, traceID: draft.traceID))
    } catch {
      abort()
      throw error
    }
  }

  private func makeDurable(_ file: any DiskFile) async throws(APIError) {
    let (disk, staging) = (store.shared.tree.disk, store.shared.tree.staging)
    do throws(DiskError) {
      try await store.workers.run { () throws(DiskError) in
        try disk.reached(.stagingWritten)
        try file.sync()
        try disk.reached(.stagingSynced)
        try disk.syncDirectory(staging)
        try disk.reached(.stagingDirectorySynced)
      }
    } catch {
      // A failed sync leaves the disk in doubt: nothing more is written.
      if !error.isFull { store.shared.status.stop(error.description) }
      throw store.refusal(error)
    }
  }

  /// Forgets the upload; nothing stays behind.
  public func abort() {
    let file = state.withLock { state in
      state.isOpen ? state.file : nil
    }
    end()
    guard file != nil else { return }
    // What cannot be removed now is removed at the next start.
    try? store.shared.tree.disk.unlink(stagingPath)  // see the line above
  }

  /// The process is about to die with its disk: nothing is tidied up. For simulations.
  func forget() { state.withLock { $0.isOpen = false } }

  private func end(used: Int = 0) {
    let (wasOpen, reserved, file) = state.withLock { state in
      defer {
        state.isOpen = false
        state.reserved = 0
        state.file = nil
        state.buffer = []
      }
      return (state.isOpen, state.reserved, state.file)
    }
    guard wasOpen else { return }
    file?.close()
    store.capacity.release(reserved, used: used)
    store.capacity.leave()
  }

  private var stagingPath: String { "\(store.shared.tree.staging)/\(stagingName)" }
}
