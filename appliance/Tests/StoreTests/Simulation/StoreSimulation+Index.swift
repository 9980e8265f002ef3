import Disk
import FoundationEssentials

@testable import Store

// The index's files, which SQLite keeps on a real file system.
extension StoreSimulation {
  /// Its disk fills up, has room again, or is found not to keep what was written.
  func troubleIndex(_ store: Store) throws {
    let index = store.shared.index
    switch random.below(4) {
    case 0:
      // What is damaged must come back from somewhere.
      guard !isDamaged else { return }
      did(.breakIndex)
      index.condemn(SQLiteError(attempt: "read", code: 10 | 1 << 8, message: "simulated", cause: 5))
    case 1:
      try index.limit(pages: 1 << 30)
      store.step()
      collect()
      guard !disk.isDown, store.readOnlyReason == nil, store.shared.placements.stalled == nil else { return }
      did(.freeIndex)
      if let trouble = store.summary.indexTrouble { throw fail("the index has room and does not go on: \(trouble)") }
      guard index.state == .ready else { throw fail("the index is not made anew: \(index.state)") }
    default:
      try index.limit(pages: 1)
      store.step()
      collect()
      if index.isStalled { did(.fillIndex) }
    }
  }

  func takeIndexSnapshot() { copyIndex(to: "old-") }

  /// The index as it is now is what a power cut leaves at least.
  func noteDurableIndex() {
    if !disk.omitted.contains(.indexDurable) { startDurableIndex() }
  }

  func startDurableIndex() { copyIndex(to: "durable-") }

  /// What a crash makes of it: the newest transactions may be lost, or everything; or somebody restores an old copy.
  func loseIndex(_ choice: Int) {
    note("index after the crash: \(["removed", "garbage", "old", "tail lost", "tail lost", "kept", "kept"][choice])")
    if choice < 5 { isIndexGood = false }
    switch choice {
    case 0:
      did(.loseIndex)
      removeIndex()
      removeFiles("durable-index.sqlite")
    case 1:
      did(.loseIndex)
      removeIndex()
      removeFiles("durable-index.sqlite")
      let garbage = Data("not a database, whatever its name says".utf8)
      try? garbage.write(to: URL(filePath: "\(place.scratch)/index.sqlite"))  // else it is missing
    case 2:
      did(.restoreIndex)
      removeIndex()
      removeFiles("durable-index.sqlite")
      for name in ["index.sqlite", "index.sqlite-wal"] { copy("old-\(name)", to: name) }
    case 3, 4:
      guard FileManager.default.fileExists(atPath: "\(place.scratch)/durable-index.sqlite") else { return }
      did(.loseIndexTail)
      isIndexGood = true
      removeIndex()
      for name in ["index.sqlite", "index.sqlite-wal"] { copy("durable-\(name)", to: name) }
    default: break
    }
  }

  func removeIndex() { removeFiles("index.sqlite") }

  func removeFiles(_ name: String) {
    for suffix in ["", "-wal", "-shm", ".damaged"] {
      try? FileManager.default.removeItem(atPath: "\(place.scratch)/\(name)\(suffix)")  // there may be none
    }
  }

  private func copyIndex(to prefix: String) {
    removeFiles("\(prefix)index.sqlite")
    for name in ["index.sqlite", "index.sqlite-wal"] { copy(name, to: prefix + name) }
  }

  private func copy(_ name: String, to target: String) {
    let (from, to) = ("\(place.scratch)/\(name)", "\(place.scratch)/\(target)")
    try? FileManager.default.copyItem(atPath: from, toPath: to)  // there may be none
  }
}
