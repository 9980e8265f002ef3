public import Core
internal import Disk

/// One link of the journal's chain of hashes, as the headers say it: cheap to read, and enough to find out whether
/// history is still what it was. Whether the bytes fit the hashes is for `JournalInspection.verify`.
public struct ChainLink: Sendable, Hashable {
  public let number: UInt64
  public let epoch: UInt64
  public let firstLSN: UInt64
  /// SHA-256 of the whole segment before this one: 32 zeros before the first.
  public let previous: Checksum
}

extension JournalInspection {
  /// The newest links below `number` (all when nil), newest first. Reads the heads of `limit` files at most.
  public func links(before number: UInt64?, limit: Int) throws(JournalError) -> [ChainLink] {
    var found: [ChainLink] = []
    for (candidate, isArchived) in try numbers().reversed() {
      if let number, candidate >= number { continue }
      guard found.count < limit else { break }
      let header = try header(candidate, isArchived: isArchived)
      found.append(
        ChainLink(number: header.number, epoch: header.epoch, firstLSN: header.firstLSN, previous: header.previous))
    }
    return found
  }
}
