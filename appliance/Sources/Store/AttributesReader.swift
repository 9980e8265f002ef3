internal import Core
internal import StorageAPI

/// Reads `attr.json` as `Attributes.encode` writes it: these members in this order, without blanks and without a single
/// escape. That is nearly every file there is, and a rebuild reads a million of them: it is read at once instead of
/// through a general decoder. Whatever looks otherwise is nil here and left to that one; what is read here it would
/// read the same, and the record's bytes are a slice of the file's.
struct AttributesReader {
  private let bytes: [UInt8]
  private var at = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// `membersAt`: where the record's members begin; they end with the file.
  static func read(_ bytes: [UInt8]) -> (attributes: Attributes, membersAt: Int)? {
    guard bytes.count <= Attributes.bytesMax else { return nil }
    var reader = AttributesReader(bytes)
    return reader.whole()
  }

  private mutating func whole() -> (attributes: Attributes, membersAt: Int)? {
    guard take("{\"version\":1,\"epoch\":"), let epoch = number(), take(",\"lsn\":"), let lsn = number(),
      take(",\"storage_path\":"), let path = text(), Attributes.isBelowFiles(path), take(",")
    else { return nil }
    let membersAt = at
    guard let record = record(), take("}"), at == bytes.count else { return nil }
    return (Attributes(record: record, path: path, epoch: UInt64(epoch), lsn: UInt64(lsn)), membersAt)
  }

  private mutating func record() -> FileRecord? {
    guard take("\"file_id\":"), let id = fileID(), take(",\"original_filename\":"), let name = text(),
      take(",\"content_type\":"), let type = text(), take(",\"size\":"), let size = number(),
      take(",\"checksum\":"), let checksum = checksum(), take(",\"uploaded_by\":"), let uploader = text(),
      take(",\"uploaded_at\":"), let uploadedAt = time(), take(",\"status\":"), let status = status(),
      take(",\"retention_policy\":"), let policy = policy()
    else { return nil }
    var record = FileRecord(
      fileID: id, originalFilename: name, contentType: type, size: size, checksum: checksum, uploadedBy: uploader,
      uploadedAt: uploadedAt, status: status, retentionPolicy: policy)
    if take(",\"description\":") {
      guard let description = text() else { return nil }
      record.description = description
    }
    guard take(",\"tags\":["), tags(&record.tags), take(",\"ttl_days\":") else { return nil }
    if !take("null") {
      guard let days = number() else { return nil }
      record.ttlDays = days
    }
    guard take(",\"expires_at\":") else { return nil }
    if !take("null") {
      guard let end = time() else { return nil }
      record.expiresAt = end
    }
    if take(",\"metadata\":{") {
      guard let metadata = metadata() else { return nil }
      record.metadata = metadata
    }
    return record
  }

  private mutating func tags(_ tags: inout [String]) -> Bool {
    if take("]") { return true }
    repeat {
      guard let tag = text() else { return false }
      tags.append(tag)
    } while take(",")
    return take("]")
  }

  /// Texts, whole numbers, booleans and nulls; names of ASCII letters, ascending, as they are written.
  private mutating func metadata() -> [String: JSONValue]? {
    var members: [String: JSONValue] = [:]
    if take("}") { return members }
    var last: [UInt8]?
    repeat {
      let start = at
      guard let name = text() else { return nil }
      let key = Array(bytes[start..<at])
      guard key.allSatisfy({ $0 < 0x80 }), last.map({ $0.lexicographicallyPrecedes(key) }) ?? true, take(":") else {
        return nil
      }
      last = key
      if take("true") {
        members[name] = .bool(true)
      } else if take("false") {
        members[name] = .bool(false)
      } else if take("null") {
        members[name] = .null
      } else if let text = text() {
        members[name] = .string(text)
      } else if let number = number() {
        members[name] = .integer(Int64(number))
      } else {
        return nil
      }
    } while take(",")
    return take("}") ? members : nil
  }

  // MARK: Values

  /// Goes on behind `text` when it stands here.
  private mutating func take(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard bytes.count - at >= count else { return false }
    let start = text.utf8Start
    // A static string's own bytes, in their bounds.
    for offset in 0..<count where bytes[at + offset] != start[offset] { return false }
    at += count
    return true
  }

  /// A whole number that is not negative, as it is written: no zeros before it. At most 18 digits, which always fit.
  private mutating func number() -> Int? {
    let start = at
    var value = 0
    while at < bytes.count, at - start < 19, bytes[at] &- 0x30 < 10 {
      value = value &* 10 &+ Int(bytes[at] &- 0x30)
      at += 1
    }
    guard at > start, at - start <= 18, bytes[start] != 0x30 || at - start == 1 else {
      at = start
      return nil
    }
    return value
  }

  /// Where a text without escapes lies; nil, going nowhere, when this is none.
  private mutating func quoted() -> Range<Int>? {
    guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return nil }
    var end = at + 1
    while end < bytes.count {
      let byte = bytes[end]
      if byte == UInt8(ascii: "\"") {
        let range = (at + 1)..<end
        at = end + 1
        return range
      }
      guard byte >= 0x20, byte != UInt8(ascii: "\\") else { return nil }
      end += 1
    }
    return nil
  }

  private mutating func text() -> String? {
    let start = at
    guard let range = quoted() else { return nil }
    let text = String(validating: bytes[range], as: UTF8.self)
    if text == nil { at = start }
    return text
  }

  private mutating func fileID() -> FileID? {
    guard let range = quoted(), isSmall(range), let id = FileID(text: bytes[range]) else { return nil }
    return id
  }

  private mutating func checksum() -> Checksum? {
    guard let range = quoted(), range.count == 64 else { return nil }
    var sum: [UInt8] = []
    sum.reserveCapacity(32)
    for place in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
      guard let high = Self.digit(bytes[place]), let low = Self.digit(bytes[place + 1]) else { return nil }
      sum.append(high << 4 | low)
    }
    return Checksum(bytes: sum)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  /// Hexadecimal digits as they are written: in lower case.
  private func isSmall(_ range: Range<Int>) -> Bool {
    for place in range where bytes[place] >= UInt8(ascii: "A") && bytes[place] <= UInt8(ascii: "F") { return false }
    return true
  }

  /// A time in the one form in which it is written.
  private mutating func time() -> Timestamp? {
    guard let range = quoted(), range.count <= 27 else { return nil }
    let written = bytes[range]
    guard let time = Timestamp(String(decoding: written, as: UTF8.self)), time.rfc3339.elementsEqual(written) else {
      return nil
    }
    return time
  }

  private mutating func status() -> FileStatus? {
    if take("\"active\"") { return .active }
    if take("\"deleted\"") { return .deleted }
    return take("\"expired\"") ? .expired : nil
  }

  private mutating func policy() -> RetentionPolicy? {
    if take("\"permanent\"") { return .permanent }
    return take("\"temporary\"") ? .temporary : nil
  }
}
