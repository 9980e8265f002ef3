internal import Core
public import HTTP

/// `Upload-Metadata` of tus 1.0: pairs `key base64(value)`, separated by commas; a missing value is empty.
public struct UploadMetadata: Sendable, Equatable {
  public static let bytesMax = 8192
  public static let pairsMax = 32

  /// In their order; keys stand there once.
  public let pairs: [(key: String, value: String)]

  public static func == (a: UploadMetadata, b: UploadMetadata) -> Bool {
    a.pairs.elementsEqual(b.pairs) { $0.key == $1.key && $0.value == $1.value }
  }

  public init(_ pairs: [(key: String, value: String)]) { self.pairs = pairs }

  /// Reads the field. `VALIDATION_ERROR` says what is wrong with it.
  public init(field: String) throws(APIError) {
    guard field.utf8.count <= Self.bytesMax else { throw Self.refuse("is longer than \(Self.bytesMax) bytes") }
    var pairs: [(key: String, value: String)] = []
    var seen: Set<String> = []
    for part in field.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let words = part.split(separator: UInt8(ascii: " "))
      // An empty field says nothing; an empty pair among others is a mistake.
      if words.isEmpty, field.utf8.allSatisfy({ $0 == UInt8(ascii: " ") }) { continue }
      guard let first = words.first, words.count <= 2, first.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        throw Self.refuse("must be pairs of an ASCII key and base64, one space between them, separated by commas")
      }
      let key = String(decoding: first, as: UTF8.self)
      guard seen.insert(key).inserted else { throw Self.refuse("holds \(key.prefix(80)) twice") }
      guard pairs.count < Self.pairsMax else { throw Self.refuse("holds more than \(Self.pairsMax) pairs") }
      let encoded = words.count == 2 ? String(decoding: words[1], as: UTF8.self) : ""
      guard let bytes = Base64.standard.decode(encoded), let value = String(validating: bytes, as: UTF8.self) else {
        throw Self.refuse("the value of \(key.prefix(80)) must be base64 (RFC 4648, with padding) of UTF-8")
      }
      pairs.append((key, value))
    }
    self.pairs = pairs
  }

  /// The field's text, which `init(field:)` reads to the same pairs.
  public var field: String {
    pairs.map { $0.value.isEmpty ? $0.key : "\($0.key) \(Base64.standard.encode($0.value.utf8))" }
      .joined(separator: ",")
  }

  private static func refuse(_ what: String) -> APIError { RecordValidation.refuse("Upload-Metadata", what) }
}
