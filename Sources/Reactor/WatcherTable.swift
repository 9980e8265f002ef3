/// Who is told about a descriptor's readiness.
protocol Watcher: AnyObject {
  /// Called on the loop's thread with epoll's bits.
  func ready(_ bits: UInt32, on loop: EventLoop)
}

/// Watchers by token. A token is a slot and how often the slot was used before, so that an event that was already
/// fetched when its watcher left reaches nobody.
struct WatcherTable {
  static let wakeupToken = UInt64.max

  private struct Slot {
    var watcher: (any Watcher)?
    var generation: UInt32 = 0
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  subscript(token: UInt64) -> (any Watcher)? {
    let slot = Int(truncatingIfNeeded: token & 0xFFFF_FFFF)
    guard slot < slots.count, slots[slot].generation == UInt32(truncatingIfNeeded: token >> 32) else { return nil }
    return slots[slot].watcher
  }

  mutating func add(_ watcher: any Watcher) -> UInt64 {
    let slot: UInt32
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = UInt32(slots.count)
      slots.append(Slot())
    }
    slots[Int(slot)].watcher = watcher
    return UInt64(slots[Int(slot)].generation) << 32 | UInt64(slot)
  }

  mutating func remove(_ token: UInt64) {
    let slot = Int(truncatingIfNeeded: token & 0xFFFF_FFFF)
    guard self[token] != nil else { return }
    slots[slot].watcher = nil
    slots[slot].generation &+= 1
    // The last generation of the last slot would be the wakeup's token.
    if slots[slot].generation != .max { free.append(UInt32(slot)) }
  }
}
