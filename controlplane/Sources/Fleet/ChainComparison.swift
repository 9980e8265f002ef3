internal import Catalogue
internal import Core
internal import StorageAPI

/// A head of an appliance's journal chain as it was pinned.
struct ChainPin: Sendable, Hashable {
  let epoch: Int64
  /// The last LSN that the head vouches for.
  let lsn: Int64
  let head: Checksum
  /// The segment whose header names the head; nil in pins from before this was kept.
  let segment: Int64?
}

/// Pins against an appliance's chain, page by page from its newest link: history may be pruned, and a new life may go
/// on from an older copy, but what is still there must be what was pinned.
struct ChainComparison {
  private let epoch: Int64
  private var numbered: [UInt64: [ChainPin]] = [:]
  /// From before segments were kept: looked for by their hash.
  private var unnumbered: [Checksum: ChainPin] = [:]
  private let count: Int
  private(set) var found = 0
  private var newest: JournalChain.Link?
  private var oldest: JournalChain.Link?
  private var prunedLSN: UInt64 = 0

  /// `epoch`: the appliance's present life.
  init(_ pins: [ChainPin], epoch: Int64) {
    self.epoch = epoch
    count = pins.count
    for pin in pins {
      if let segment = pin.segment {
        numbered[UInt64(clamping: segment), default: []].append(pin)
      } else if pin.epoch == epoch {
        unnumbered[pin.head] = unnumbered[pin.head].map { $0.lsn < pin.lsn ? $0 : pin } ?? pin
      }
    }
  }

  /// Whether every pin of the present life has been found.
  var isComplete: Bool {
    unnumbered.isEmpty && !numbered.values.contains { $0.contains { $0.epoch == epoch } }
  }

  /// Takes the next older page; what is wrong with it.
  mutating func take(_ page: JournalChain) -> String? {
    prunedLSN = max(prunedLSN, page.prunedLSN)
    for link in page.segments {
      if let problem = link.problem { return "segment \(link.number) of its journal cannot be read: \(problem)" }
      if let newer = oldest {
        guard link.number + 1 == newer.number else {
          return "segment \(newer.number - 1) of its journal is gone, though older ones are there"
        }
        if let hash = link.hash, hash != newer.previous {
          return "segment \(link.number) of its journal is not what the next one's header says it was: it was changed"
        }
      } else if let problem = begins(with: link) {
        return problem
      }
      newest = newest ?? link
      oldest = link
      if let problem = compare(link) { return problem }
    }
    return nil
  }

  /// What is wrong once no older link is left.
  func problemAtEnd() -> String? {
    guard let oldest, let newest else { return isComplete ? nil : "its journal has no segment at all" }
    guard oldest.number == 1 || prunedLSN + 1 >= oldest.firstLSN, prunedLSN < max(newest.firstLSN, 1) else {
      return "segments before \(oldest.number) of its journal are gone, and pruning did not take them: it says to have "
        + "pruned up to LSN \(prunedLSN)"
    }
    let missing = unnumbered.values.filter { UInt64(clamping: $0.lsn) > prunedLSN }
    return missing.min { $0.lsn < $1.lsn }.map(Self.gone)
  }

  /// What was found, when nothing was wrong.
  var verdict: JournalVerdict {
    found > 0 ? .sound(pins: found) : .unchecked("none of the \(count) pinned heads is in what it has not pruned")
  }

  private func begins(with link: JournalChain.Link) -> String? {
    let newest = numbered.keys.filter { numbered[$0]?.contains { $0.epoch == epoch } == true }.max() ?? 0
    guard newest > link.number else { return nil }
    return "its journal ends with segment \(link.number), but segment \(newest) was pinned: it was begun anew, "
      + "or an older copy was restored without --adopt"
  }

  private mutating func compare(_ link: JournalChain.Link) -> String? {
    if unnumbered.removeValue(forKey: link.previous) != nil { found += 1 }
    for pin in numbered.removeValue(forKey: link.number) ?? [] where UInt64(clamping: pin.epoch) == link.epoch {
      guard pin.head == link.previous else { return Self.gone(pin) }
      found += 1
    }
    return nil
  }

  private static func gone(_ pin: ChainPin) -> String {
    "its journal does not hold the head that was pinned at LSN \(pin.lsn) any more: history was rewritten, "
      + "or an older copy was restored without --adopt"
  }
}
