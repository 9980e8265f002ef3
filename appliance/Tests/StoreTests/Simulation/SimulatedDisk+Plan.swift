import Disk

// What is to go wrong, and the record of what went on.
extension SimulatedDisk {
  enum Fault: String, CaseIterable, Hashable {
    case powerCut, powerCutInCall, kill, killInCall
    case writeFailed, syncFailed, renameFailed, otherFailed, readFailed, full, fullInWrite, fullInSync
    case lostWrite, tornWrite, droppedWrite, lostName, survivedName, droppedName, lostDirectory
  }

  /// A running checksum over every call and note.
  struct Trace: Equatable, Sendable {
    private(set) var calls = 0
    private(set) var checksum: UInt32 = 0

    mutating func add(_ text: String) {
      calls += 1
      var text = text
      checksum = text.withUTF8 { CRC32C.value(UnsafeRawBufferPointer($0), continuing: checksum) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
      checksum = CRC32C.value(bytes, continuing: checksum)
    }
  }

  struct FaultPlan {
    /// The step at which the power goes.
    var powerCutAt: Int?
    /// The step at which the process dies.
    var killAt: Int?
    /// The reading call that fails.
    var failReadAt: Int?
    /// The crash point, and which time, at which the power goes.
    var powerCutAtPoint: (CrashPoint, Int)?
    /// The step that fails, and how.
    var failAt: Int?
    var failure: Fault = .writeFailed
    /// With `.full`: how many calls in a row find no room.
    var fullCalls = 1
    /// With `.full`: whose file system it is.
    var fullBelow = "/"
  }

  enum NameChange {
    case link(String, SimulatedInode)
    case unlink(String)
    case rename(String, String)
    case makeDirectory(String)
    case removeDirectory(String)

    var paths: [String] {
      switch self {
      case .link(let path, _), .unlink(let path), .makeDirectory(let path), .removeDirectory(let path): [path]
      case .rename(let from, let to): [from, to]
      }
    }
  }
}

extension SimulatedDisk {
  /// A directory and those above it, durable: for tests that put a store somewhere.
  func makeTree(_ path: String) throws {
    var made = ""
    for name in path.split(separator: "/") {
      made += "/\(name)"
      try makeDirectory(made)
    }
    try syncFileSystem(.treeCheckpoint)
  }
}
