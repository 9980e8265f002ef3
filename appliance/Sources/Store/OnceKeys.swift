internal import Core
internal import Crypto
internal import Synchronization

/// A client's promise that all requests with this key are one request, sent again (`Idempotency-Key`).
public struct OnceKey: Sendable, Hashable {
  public let subject: String
  public let key: String

  public init(subject: String, key: String) {
    self.subject = subject
    self.key = key
  }
}

/// One document for one key, without a list of keys: the document's id follows from subject, key and period, so that
/// the document itself is the memory (decision 0041). It survives restarts, lost indexes and restored copies as
/// documents do, takes no room of its own, and forgets by itself: a period is `periodSeconds`, the one before counts
/// too.
final class OnceKeys: Sendable {
  static let periodSeconds: Int64 = 86_400
  private let storageID: FileID
  /// Keys of uploads that are coming in, so that a retry across the end of a period gets the same id.
  private let open = Mutex<[OnceKey: (id: FileID, count: Int)]>([:])

  init(storageID: FileID) { self.storageID = storageID }

  /// Keys of uploads that are coming in now.
  var heldCount: Int { open.withLock { $0.count } }

  /// Held as long as the upload lasts.
  final class Claim: Sendable {
    let id: FileID
    private let key: OnceKey
    private let keys: OnceKeys

    init(_ key: OnceKey, id: FileID, _ keys: OnceKeys) {
      self.id = id
      self.key = key
      self.keys = keys
    }

    deinit { keys.release(key) }
  }

  /// The id for a key. `isKnown`: whether a document, or an unfinished upload, has it already.
  func claim<Failure: Error>(
    _ key: OnceKey, at now: Timestamp, isKnown: (FileID) throws(Failure) -> Bool
  ) throws(Failure) -> Claim {
    let period = now.seconds / Self.periodSeconds
    let (current, previous) = (id(key, period), id(key, period - 1))
    let fresh = try isKnown(previous) ? previous : current
    let id = open.withLock { open in
      let held = open[key] ?? (fresh, 0)
      open[key] = (held.id, held.count + 1)
      return held.id
    }
    return Claim(key, id: id, self)
  }

  /// A UUID of version 8 (RFC 9562 §5.8).
  func id(_ key: OnceKey, _ period: Int64) -> FileID {
    var text = Array("artstore once 1".utf8) + storageID.bytes
    text += (0..<8).map { UInt8(truncatingIfNeeded: period >> ($0 * 8)) }
    text += Array("\(key.subject.utf8.count):\(key.subject)\(key.key)".utf8)
    let sum = SHA256.digest(text).bytes
    let (high, low) = (sum[..<8].reduce(0) { $0 << 8 | UInt64($1) }, sum[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
    return FileID(high: high & ~0xF000 | 0x8000, low: low & ~0xC000_0000_0000_0000 | 0x8000_0000_0000_0000)
  }

  private func release(_ key: OnceKey) {
    open.withLock { open in
      guard let held = open[key] else { return }
      open[key] = held.count > 1 ? (held.id, held.count - 1) : nil
    }
  }
}
