internal import Core
internal import Crypto
internal import Disk
internal import HTTP
internal import StorageAPI
internal import Synchronization

extension ResumableUpload {
  private static let rereadBytes = 1 << 20

  /// Makes what was taken durable, bytes first, then the ledger that counts them. Throws what a write failed with, when
  /// what came before it is.
  func persist() async throws(APIError) {
    guard let writer = session.state.withLock({ $0.writer }) else { return }
    do throws(DiskError) {
      try await writer.flush()
    } catch {
      takeBack(to: writer.written)
      // The first failure is the one to tell.
      try? await persist(writer.file)  // see the line above
      throw store.refusal(error)
    }
    try await persist(writer.file)
  }

  private func persist(_ file: any DiskFile) async throws(APIError) {
    let (offset, durable) = session.state.withLock { ($0.offset, $0.durable) }
    guard offset > durable else { return }
    let now = store.shared.time.now()
    var ledger = session.ledger
    ledger.offset = offset
    ledger.touchedAt = now
    try await write(ledger, after: file)
    session.state.withLock { state in
      state.durable = offset
      state.touchedAt = now
      state.persistedAt = store.shared.time.uptime()
    }
  }

  private func write(_ ledger: UploadLedger, after file: any DiskFile) async throws(APIError) {
    let (disk, staging) = (store.shared.tree.disk, store.shared.tree.staging)
    do throws(DiskError) {
      try await store.workers.run { () throws(DiskError) in
        try disk.reached(.stagingWritten)
        try file.sync(.uploadPieceBytes)
        try disk.reached(.stagingSynced)
        try ledger.write(to: staging, disk)
      }
    } catch {
      // A failed sync leaves the disk in doubt: nothing more is written.
      if !error.isFull { store.shared.status.stop(error.description) }
      throw store.refusal(error)
    }
  }

  /// Every byte is there and durable: makes the document. During a turn.
  func finish() async throws(APIError) -> Progress {
    if session.isPartMissing { return try settle() }
    let checksum = try await checksum()
    let ledger = session.ledger
    if let expected = ledger.expected, expected != checksum {
      try await store.drop(session)
      throw APIError(
        .checksumMismatch,
        "the bytes that arrived have SHA-256 \(checksum), not \(expected); the upload is void, begin again")
    }
    let document = try store.prepare(
      ledger.fileDraft, id: ledger.fileID, checksum: checksum, size: ledger.length, body: .staged(ledger.partName),
      hasChosenID: true, checkedIn: nil)
    let actor = Actor(ledger.draft.uploadedBy, traceID: ledger.draft.traceID)
    let committed: Committed
    do throws(APIError) {
      committed = try await store.committed(.put(document), actor)
    } catch {
      // The id is another document's for good; everything else may change.
      if error.code == .conflict { try await store.drop(session) }
      throw error
    }
    await store.keepSoon(session.state.withLock { $0.digest.sums }, of: committed.record)
    await end()
    var progress = progress
    progress.committed = committed
    return progress
  }

  /// A crash came between the commit and the ledger, and recovery moved the part into place: the document says so.
  private func settle() throws(APIError) -> Progress {
    guard try store.record(fileID) != nil else { throw Self.missing }
    session.state.withLock { $0.phase = .finished }
    store.capacity.release(session.reserved, staged: 0, used: 0)
    return progress
  }

  private func end() async {
    let now = store.shared.time.now()
    session.state.withLock { state in
      state.phase = .finished
      state.touchedAt = now
    }
    store.capacity.release(session.reserved, staged: session.ledger.length, used: 0)
    var ledger = session.ledger
    ledger.offset = ledger.length
    ledger.touchedAt = now
    ledger.finished = true
    let (disk, staging, done) = (store.shared.tree.disk, store.shared.tree.staging, ledger)
    // Without it the document says that the upload is finished: see the format.
    try? await store.workers.run { () throws(DiskError) in try done.write(to: staging, disk) }  // see the line above
  }

  /// The document's SHA-256: what was not hashed as it came (before a restart) is read again, a piece at a time.
  private func checksum() async throws(APIError) -> Checksum {
    let session = session
    let behind = session.state.withLock { $0.hashed < session.ledger.length }
    guard behind else { return session.state.withLock { $0.digest.current() } }
    let path = "\(store.shared.tree.staging)/\(session.ledger.partName)"
    let file: any DiskFile
    do throws(DiskError) { file = try store.shared.tree.disk.open(path, .read) } catch { throw store.refusal(error) }
    defer { file.close() }
    while session.state.withLock({ $0.hashed < session.ledger.length }) {
      do throws(DiskError) {
        try await store.workers.run { () throws(DiskError) in
          let start = session.state.withLock { $0.hashed }
          let bytes = try file.read(at: start, count: min(Self.rereadBytes, session.ledger.length - start))
          guard !bytes.isEmpty else { throw .failed("read (shorter than its ledger says)", path) }
          session.state.withLock { state in
            state.digest.update(bytes)
            state.hashed = start + bytes.count
          }
        }
      } catch {
        throw store.refusal(error)
      }
    }
    return session.state.withLock { $0.digest.current() }
  }
}
