public import Core
public import HTTP

/// The bounds of a file record's fields (CONTRACT "File record"). Each check throws `VALIDATION_ERROR` naming the field
/// and how to mend it.
public enum RecordValidation {
  public static let filenameCharactersMax = 255
  public static let filenameBytesMax = 1024
  public static let descriptionCharactersMax = 1000
  public static let tagsMax = 50
  public static let tagCharactersMax = 100
  public static let ttlDays = 1...365
  public static let ttlDaysDefault = 30
  /// The whole of `attr.json`.
  public static let attributesBytesMax = 4096
  public static let metadataDepthMax = 8

  /// A client's file name: one path component, printable, at most 255 characters.
  public static func filename(_ name: String) throws(APIError) {
    let field = "original_filename"
    if name.isEmpty { throw refuse(field, "the file has no name; send one of 1–255 characters") }
    if isLonger(name, than: filenameCharactersMax) || name.utf8.count > filenameBytesMax {
      throw refuse(field, "the file name is longer than \(filenameCharactersMax) characters; shorten it")
    }
    if holdsControl(name) {
      throw refuse(field, "the file name holds a control character; remove it")
    }
    if name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }) || name == "." || name == ".."
    {
      throw refuse(field, "the file name must be a bare name without directories; send what follows the last / or \\")
    }
  }

  public static func description(_ text: String) throws(APIError) {
    if isLonger(text, than: descriptionCharactersMax) {
      throw refuse("description", "longer than \(descriptionCharactersMax) characters (\(text.count)); shorten it")
    }
    if text.unicodeScalars.contains(where: { isControl($0) && $0 != "\n" && $0 != "\t" && $0 != "\r" }) {
      throw refuse("description", "holds a control character; only line breaks and tabs may stand in it")
    }
  }

  public static func tags(_ tags: [String]) throws(APIError) {
    if tags.count > tagsMax { throw refuse("tags", "more than \(tagsMax) tags; send fewer") }
    for tag in tags {
      if tag.isEmpty || isLonger(tag, than: tagCharactersMax) {
        throw refuse("tags", "each tag must have 1–\(tagCharactersMax) characters")
      }
      if holdsControl(tag) {
        throw refuse("tags", "a tag holds a control character; remove it")
      }
    }
    if Set(tags).count != tags.count { throw refuse("tags", "a tag stands there twice; send each once") }
  }

  public static func ttlDays(_ days: Int) throws(APIError) {
    if !ttlDays.contains(days) { throw refuse("ttl_days", "must be a whole number from 1 to 365, not \(days)") }
  }

  public static func metadata(_ members: [String: JSONValue]) throws(APIError) {
    if depth(.object(members)) > metadataDepthMax {
      throw refuse("metadata", "nested deeper than \(metadataDepthMax) levels; flatten it")
    }
  }

  /// `type/subtype` with optional parameters, visible ASCII, at most 255 characters.
  public static func contentType(_ text: String) throws(APIError) {
    var before = 0
    var after = 0
    var slashes = 0
    var isPlain = text.utf8.count <= 255
    var isParameter = false
    for byte in text.utf8 {
      isPlain = isPlain && byte >= 0x20 && byte < 0x7F
      switch byte {
      case UInt8(ascii: ";"): isParameter = true
      case _ where isParameter: break
      case UInt8(ascii: "/"): slashes += 1
      default: if slashes == 0 { before += 1 } else { after += 1 }
      }
    }
    if !isPlain || slashes != 1 || before == 0 || after == 0 {
      throw refuse("content_type", "must look like type/subtype, at most 255 visible ASCII characters")
    }
  }

  /// A token's `sub` or what an ingester says in its place.
  public static func subject(_ text: String) throws(APIError) {
    if text.isEmpty || isLonger(text, than: 200) || holdsControl(text) {
      throw refuse("uploaded_by", "must have 1–200 characters and no control characters")
    }
  }

  /// The error for `field`; the field stands in `details` too, for programs.
  public static func refuse(_ field: String, _ message: String) -> APIError {
    APIError(.validation, "\(field): \(message)", details: ["field": .string(field)])
  }

  /// Characters are never more than bytes, and bytes are counted for nothing.
  private static func isLonger(_ text: String, than count: Int) -> Bool {
    text.utf8.count > count && text.count > count
  }

  private static func holdsControl(_ text: String) -> Bool {
    // ASCII, which most of it is, needs no tables.
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return false }
    return text.unicodeScalars.contains(where: isControl)
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator, .surrogate: true
    default: (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)  // bidi overrides
    }
  }

  private static func depth(_ value: JSONValue) -> Int {
    switch value {
    case .array(let values): 1 + (values.map(depth).max() ?? 0)
    case .object(let members): 1 + (members.values.map(depth).max() ?? 0)
    default: 0
    }
  }
}
