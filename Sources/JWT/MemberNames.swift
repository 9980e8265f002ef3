internal import Core

/// Looks at the member names of a JSON object's first level. RFC 7515 §4 and RFC 7519 §4 let a reader refuse two
/// members of one name; two readers that pick different ones would believe different things, so this product does
/// refuse. That the text is JSON at all is the decoder's matter.
enum MemberNames {
  /// Throws for a duplicate, a forbidden name, or a name spelled with escapes (which could hide either).
  static func check(_ json: [UInt8], forbidden: Set<String>) throws(TokenError) {
    var seen: Set<String> = []
    var depth = 0
    var index = json.startIndex
    var expectsName = false
    while index < json.endIndex {
      switch json[index] {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        guard depth <= 16 else { throw .malformed("nested too deeply") }
        expectsName = depth == 1 && json[index] == UInt8(ascii: "{")
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ","): expectsName = depth == 1
      case UInt8(ascii: "\""):
        let start = index + 1
        var hasEscape = false
        index = start
        while index < json.endIndex, json[index] != UInt8(ascii: "\"") {
          if json[index] == UInt8(ascii: "\\") {
            hasEscape = true
            index += 1
          }
          index += 1
        }
        guard index < json.endIndex else { throw .malformed("a text does not end") }
        if expectsName {
          let name = String(decoding: json[start..<index], as: UTF8.self)
          guard !hasEscape, seen.insert(name).inserted else { throw .malformed("a member is there twice or escaped") }
          guard !forbidden.contains(name) else { throw .malformed("'\(name)' is not supported") }
          expectsName = false
        }
      default: break
      }
      index += 1
    }
  }
}
