internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store

extension Request {
  /// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a text of 1–255 visible characters, in quotes or
  /// without, good for the caller's own requests only. Nil when the client gave none.
  var onceKey: OnceKey? {
    get throws(APIError) {
      guard let field = head.header("idempotency-key") else { return nil }
      let isQuoted = field.utf8.count >= 2 && field.hasPrefix("\"") && field.hasSuffix("\"")
      let key = isQuoted ? field.dropFirst().dropLast() : field[...]
      let isPlain = key.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != 0x5C }
      guard !key.isEmpty, key.utf8.count <= 255, isPlain else {
        throw RecordValidation.refuse(
          "Idempotency-Key", "must be 1–255 visible ASCII characters without \" and \\, e.g. a UUID")
      }
      return OnceKey(subject: principal.author, key: String(key))
    }
  }
}
