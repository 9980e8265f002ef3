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
    /// SHA-256 of this segment's bytes as they are now: of sealed ones, where `contents` was asked for.
    public var hash: Checksum?
    /// Why its bytes cannot be read, where they were to be.
    public var problem: String?

    enum CodingKeys: String, CodingKey {
      case number, epoch, previous, hash, problem
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
  /// With `contents`, which reads whole segments.
  public static let contentsLimitMax = 8

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

/// Answer to `POST /journal/seal`.
public struct JournalSealAnswer: Sendable, Hashable, Codable {
  /// A segment was sealed now. False: nothing is in the active one that is worth it, or another was sealed so a moment
  /// ago.
  public var sealed: Bool
  /// The chain's newest link: what to keep.
  public var head: JournalChain.Link

  public init(sealed: Bool, head: JournalChain.Link) {
    self.sealed = sealed
    self.head = head
  }
}
