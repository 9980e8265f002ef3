import FoundationEssentials

// The index's files, which SQLite keeps on a real file system.
extension StoreSimulation {
  func takeIndexSnapshot() {
    for name in ["index.sqlite", "index.sqlite-wal"] {
      try? FileManager.default.removeItem(atPath: "\(place.scratch)/old-\(name)")  // there may be none
      copy(name, to: "old-\(name)")
    }
  }

  /// What a power cut makes of it: the newest transactions may be lost, or everything; or somebody restores an old
  /// copy.
  func loseIndex() {
    let choice = random.below(6)
    note("index after the cut: \(["removed", "garbage", "old", "old", "kept", "kept"][choice])")
    switch choice {
    case 0:
      did(.loseIndex)
      removeIndex()
    case 1:
      did(.loseIndex)
      removeIndex()
      let garbage = Data("not a database, whatever its name says".utf8)
      try? garbage.write(to: URL(filePath: "\(place.scratch)/index.sqlite"))  // else it is missing
    case 2, 3:
      did(.restoreIndex)
      removeIndex()
      for name in ["index.sqlite", "index.sqlite-wal"] { copy("old-\(name)", to: name) }
    default: break
    }
  }

  func removeIndex() { removeFiles("index.sqlite") }

  func removeFiles(_ name: String) {
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: "\(place.scratch)/\(name)\(suffix)")  // there may be none
    }
  }

  private func copy(_ name: String, to target: String) {
    let (from, to) = ("\(place.scratch)/\(name)", "\(place.scratch)/\(target)")
    try? FileManager.default.copyItem(atPath: from, toPath: to)  // there may be none
  }
}
