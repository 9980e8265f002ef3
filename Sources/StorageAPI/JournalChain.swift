public import Core

/// Answer to `GET /journal/chain`: the chain of hashes that ties an appliance's journal together, newest segment first.
/// Whoever has kept an earlier head finds it here, or knows that history was rewritten.
public struct JournalChain: Sendable, Hashable, Codable {
  /// One segment's head.
  public struct Link: Sendable, Hashable, Codable {
    public var number: UInt64
    public var epoch: UInt64
    public var firstLSN: UInt64
    /// SHA-256 of the whole segment before this one.
    public var previous: Checksum

    enum CodingKeys: String, CodingKey {
      case number, epoch, previous
      case firstLSN = "first_lsn"
    }

    public init(number: UInt64, epoch: UInt64, firstLSN: UInt64, previous: Checksum) {
      self.number = number
      self.epoch = epoch
      self.firstLSN = firstLSN
      self.previous = previous
    }
  }

  public var epoch: UInt64
  public var segments: [Link]
  /// LSN up to which history was pruned; 0 when it is whole.
  public var prunedLSN: UInt64

  public static let limitMax = 200

  enum CodingKeys: String, CodingKey {
    case epoch, segments
    case prunedLSN = "pruned_lsn"
  }

  public init(epoch: UInt64, segments: [Link], prunedLSN: UInt64) {
    self.epoch = epoch
    self.segments = segments
    self.prunedLSN = prunedLSN
  }
}
