internal import Core
internal import Disk
internal import Journal
internal import StorageAPI

/// Taking over a restored copy as the store's next life (decision 0005), and what keeps a loss from passing for a new
/// store.
extension StoreOpening {
  /// Makes the next life begin; the one that ends. Durable by itself: once this is done every start continues the new
  /// life, and the first one journals it.
  mutating func adopt() throws(StoreError) -> StateFiles.Identity {
    guard let old = try state.identity() else {
      throw .invalid("there is no store in \(configuration.dataDirectory) to take over; restore the copy first")
    }
    let epoch = max(UInt64(max(1, time.now().microseconds)), old.epoch + 1)
    try state.write(StateFiles.Identity(storageID: old.storageID, epoch: epoch))
    isAdopting = true
    return old
  }

  /// Whether the store is new. Documents without any journal are none: their journal was lost, and an empty one would
  /// hide them and give out their LSNs again. Only an adoption goes on from there, after the highest LSN among them.
  func begin(_ recovery: JournalRecovery) throws(StoreError) -> Bool {
    guard recovery.lastLSN == 0 else { return false }
    guard recovery.isMissing, let highest = try highestLSN() else { return true }
    guard isAdopting else {
      throw .invalid(
        "\(configuration.dataDirectory) holds documents, but there is no journal in \(configuration.journalDirectory): "
          + "restore it, or take the documents over without it by `artstore-appliance init --adopt`")
    }
    do throws(JournalError) { try recovery.begin(after: highest) } catch { throw .journal(error) }
    return false
  }

  /// What the first batch says beside the incarnation when a copy is being taken over; nothing when this life goes on.
  func adoption(_ found: Findings) -> [(type: RecordType, payload: [UInt8])] {
    let isJournalLost = found.recovery.lastEpoch == nil && found.recovery.lastLSN > 0
    guard found.recovery.isAdopted || isJournalLost else { return [] }
    let old = found.recovery.lastEpoch.map { "epoch \($0)" } ?? "a life whose journal was lost"
    let mutation = Mutation(
      id: .lowest, time: time.now(), reason: .adopt, subject: "root on the host", traceID: "",
      change: .note(
        "a copy taken over at LSN \(found.recovery.lastLSN): \(old) ends, epoch \(found.identity.epoch) begins"))
    var note = BinaryWriter()
    mutation.write(to: &note)
    var records = [(type: RecordType.note, payload: note.bytes)]
    if isJournalLost {
      // Without one the next start would miss the segments before this one.
      var checkpoint = BinaryWriter()
      Checkpoint(lsn: found.recovery.lastLSN, mode: found.mode, incarnations: []).write(to: &checkpoint)
      records.append((.checkpoint, checkpoint.bytes))
    }
    return records
  }

  /// The highest LSN that any attributes name; nil when there are no documents. Damaged ones cannot be asked.
  private func highestLSN() throws(StoreError) -> UInt64? {
    var highest: UInt64?
    var directories = ["files"]
    do throws(DiskError) {
      while let directory = directories.popLast() {
        for entry in try disk.list(tree.absolute(directory)) {
          let path = "\(directory)/\(entry.name)"
          if entry.kind == .directory { directories.append(path) }
          guard entry.kind == .file else { continue }
          highest = highest ?? 1
          guard isAdopting else { return highest }
          guard path.hasSuffix(".attr.json"),
            let bytes = try disk.contents(tree.absolute(path), limit: Attributes.bytesMax)
          else { continue }
          let attributes = try? Attributes(bytes)  // damaged ones cannot be asked; reconcile reports them
          highest = max(highest ?? 1, attributes?.lsn ?? 0)
        }
      }
    } catch {
      throw .disk(error)
    }
    return highest
  }
}
