/// A file's bytes as a process sees them, as the disk has them, and what lies between.
final class SimulatedInode {
  private(set) var bytes: [UInt8] = []
  var durable: [UInt8] = []
  /// Written since the last sync, oldest first.
  private(set) var pending: [Write] = []
  /// A failed sync dropped writes that a process still sees.
  private var hasForgotten = false

  enum Write {
    case bytes(offset: Int, [UInt8])
    case truncate(Int)
  }

  /// A process writes.
  func take(_ write: Write) {
    apply(write, to: &bytes)
    pending.append(write)
  }

  /// A sync that worked.
  func makeDurable() {
    if hasForgotten {
      for write in pending { apply(write, to: &durable) }
    } else {
      durable = bytes
    }
    pending = []
  }

  /// A sync that failed: only the writes that `isKept` may still become durable.
  func forget(_ isKept: (Write) -> Bool) {
    let kept = pending.filter(isKept)
    if kept.count < pending.count { hasForgotten = true }
    pending = kept
  }

  /// The power is back: what is durable is all there is.
  func cameBack() {
    pending = []
    bytes = durable
    hasForgotten = false
  }

  /// Changes the bytes behind everyone's back.
  func corrupt(_ change: (inout [UInt8]) -> Void) {
    change(&bytes)
    durable = bytes
    pending = []
  }

  func apply(_ write: Write, to target: inout [UInt8]) {
    switch write {
    case .truncate(let size): Self.resize(&target, to: size)
    case .bytes(let offset, let new):
      if offset == target.count {
        target += new
        return
      }
      if offset + new.count > target.count { Self.resize(&target, to: offset + new.count) }
      // By address: element by element it is what an unoptimised build spends half its time on.
      target.withUnsafeMutableBytes { target in
        new.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + new.count]).copyMemory(from: $0)
        }
      }
    }
  }

  private static func resize(_ target: inout [UInt8], to size: Int) {
    if size < target.count { target.removeLast(target.count - size) }
    if size > target.count { target += [UInt8](repeating: 0, count: size - target.count) }
  }
}
