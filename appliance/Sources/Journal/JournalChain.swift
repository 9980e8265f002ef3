public import Core
internal import Disk

/// One link of the journal's chain of hashes, as the headers say it: cheap to read, and enough to find out whether
/// history is still what it was.
public struct ChainLink: Sendable, Hashable {
  public let number: UInt64
  public let epoch: UInt64
  public let firstLSN: UInt64
  /// SHA-256 of the whole segment before this one: 32 zeros before the first.
  public let previous: Checksum
  /// SHA-256 of this segment's bytes as they are now; only of sealed ones, and only where it was asked for.
  public internal(set) var hash: Checksum?
  /// Why the bytes cannot be read, where they were to be read.
  public internal(set) var problem: String?

  init(_ header: SegmentHeader) {
    number = header.number
    epoch = header.epoch
    firstLSN = header.firstLSN
    previous = header.previous
  }
}

extension JournalInspection {
  /// The newest links below `number` (all when nil), newest first. Reads the heads of `limit` files at most, or with
  /// `contents` all of their bytes.
  public func links(before number: UInt64?, limit: Int, contents: Bool = false) throws(JournalError) -> [ChainLink] {
    var found: [ChainLink] = []
    let all = try numbers()
    for (candidate, isArchived) in all.reversed() {
      if let number, candidate >= number { continue }
      guard found.count < limit else { break }
      do throws(JournalError) {
        var link = ChainLink(try header(candidate, isArchived: isArchived))
        // The active segment has no hash yet.
        if contents, candidate != all.last?.number { read(&link, isArchived: isArchived) }
        found.append(link)
      } catch {
        // Pruned between the listing and now: the chain ends here.
        guard let anchor = try archive.anchor(), anchor.number >= candidate else { throw error }
        break
      }
    }
    return found
  }

  private func read(_ link: inout ChainLink, isArchived: Bool) {
    do throws(JournalError) {
      link.hash = try hash(link.number, isArchived: isArchived)
    } catch {
      link.problem = error.description
    }
  }
}
