internal import Core
internal import Crypto

/// The chain's arithmetic. The code of a record is HMAC-SHA256(key, previous code ‖ canonical text of the record), so
/// that whoever can write to the database but has no master key can neither change, insert, move nor take out a row.
/// The canonical text is a JSON array: one value has one text, and fields cannot run into one another.
struct AuditChain: Sendable {
  private let key: [UInt8]
  private let headKey: [UInt8]
  private let anchorKey: [UInt8]

  /// What the first record follows.
  static let origin = [UInt8](repeating: 0, count: 32)

  init(masterKey: MasterKey) {
    key = masterKey.derive("audit chain")
    headKey = masterKey.derive("audit head")
    anchorKey = masterKey.derive("audit anchor")
  }

  func code(after previous: [UInt8], sequence: Int64, at: Timestamp, entry: AuditEntry) -> [UInt8] {
    let text = JSONWriter.document { json in
      json.array { json in
        json.integer(sequence)
        json.integer(at.microseconds)
        json.string(entry.actor)
        json.string(entry.action)
        json.string(entry.target)
        json.string(entry.source)
        json.string(entry.result.rawValue)
        json.string(entry.trace)
        json.value(.object(entry.details))
      }
    }
    return HMACSHA256.code(key: key, message: previous + text)
  }

  /// Attests which record is the newest.
  func seal(sequence: Int64, code: [UInt8]) -> [UInt8] {
    HMACSHA256.code(key: headKey, message: Array(String(sequence).utf8) + [0] + code)
  }

  /// Attests that the records up to this one were pruned because of their age. A key of its own: an old seal of the
  /// head must not pass for it.
  func anchorSeal(sequence: Int64, code: [UInt8]) -> [UInt8] {
    HMACSHA256.code(key: anchorKey, message: Array(String(sequence).utf8) + [0] + code)
  }
}
