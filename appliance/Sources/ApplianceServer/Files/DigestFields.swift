internal import Core
internal import HTTP
internal import StorageAPI

/// `Repr-Digest` and `Content-Digest` (RFC 9530): dictionaries of algorithm to byte sequence. Only `sha-256` is
/// looked at;
/// unknown algorithms say nothing to us, as the RFC wants.
enum DigestFields {
  /// The SHA-256 that a field declares; nil when it is absent or names other algorithms only.
  static func declared(_ field: String?, name: String) throws(APIError) -> Checksum? {
    guard let field else { return nil }
    for member in field.split(separator: ",") {
      guard let equals = member.firstIndex(of: "=") else { throw refuse(name) }
      let algorithm = trimmed(member[..<equals])
      guard algorithm.equalsIgnoringASCIICase("sha-256") else { continue }
      let value = trimmed(member[member.index(after: equals)...])
      guard value.count > 2, value.first == ":", value.last == ":",
        let bytes = Base64.standard.decode(value.dropFirst().dropLast()), let sum = Checksum(bytes: bytes)
      else { throw refuse(name) }
      return sum
    }
    return nil
  }

  /// One expectation out of several declarations; two that differ can never both hold.
  static func agreed(_ sums: [Checksum?]) throws(APIError) -> Checksum? {
    let given = Set(sums.compactMap { $0 })
    guard given.count <= 1 else {
      throw APIError(.checksumMismatch, "the request declares two different SHA-256 sums for one document; send one")
    }
    return given.first
  }

  static func field(_ sum: Checksum) -> String { "sha-256=:\(Base64.standard.encode(sum.bytes)):" }

  private static func trimmed(_ text: Substring) -> Substring {
    let head = text.drop { $0 == " " || $0 == "\t" }
    guard let last = head.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return head.prefix(0) }
    return head[...last]
  }

  private static func refuse(_ name: String) -> APIError {
    RecordValidation.refuse(name, "must look like sha-256=:<base64 of 32 bytes>: (RFC 9530)")
  }
}
