internal import Core
internal import Disk

// What a start does again. Nobody reads yet, or only what is in memory; and nothing that shows is trusted: a sync of
// the directory that failed in the last life may have dropped a name, or the removal of one, and no later sync would
// write what does not change any more.
extension DocumentTree {
  /// Writes a file again, name and all.
  func rewrite(_ bytes: [UInt8], at path: String) throws(DiskError) {
    try removeIfThere(path)
    try write(bytes, at: path)
  }

  /// The same for attributes. `wereReplaced`: what an interrupted replacement left goes too.
  func restoreAttributes(_ attributes: [UInt8], at path: String, wereReplaced: Bool) throws(DiskError) {
    let target = StoredName.attributes(of: path)
    try rewrite(attributes, at: target)
    if wereReplaced { try removeNameAgain(target + ".tmp") }
  }

  /// Moves a large document into place again, there and back when it is there. Its body was durable in staging before
  /// its record was written; the rename may or may not have survived. False when it is in neither place.
  func moveAgain(staged name: String, to path: String) throws(DiskError) -> Bool {
    let staged = "\(staging)/\(name)"
    let placed = absolute(path)
    if try disk.stat(staged) == nil {
      guard try disk.stat(placed) != nil else { return false }
      try disk.rename(placed, to: staged)
    }
    try makeParent(of: path)
    try disk.rename(staged, to: placed)
    return true
  }

  /// Removes a document again, its attributes last.
  func removeAgain(_ path: String) throws(DiskError) {
    guard try disk.stat(RealDisk.parent(of: absolute(path))) != nil else { return }
    try removeNameAgain(path)
    try disk.reached(.documentRemoved)
    try removeNameAgain(StoredName.attributes(of: path))
    try removeNameAgain(StoredName.attributes(of: path) + ".tmp")
    try disk.reached(.attributesRemoved)
  }

  /// A name that does not show is made once more, so that there is something to remove.
  private func removeNameAgain(_ path: String) throws(DiskError) {
    if try disk.stat(absolute(path)) == nil { try disk.open(absolute(path), .create).close() }
    try removeIfThere(path)
  }
}
