import Core
import TestKit
import Testing

@Suite struct JSONTests {
  /// Anything, of bounded size.
  private func value(_ seed: TestSeed, depth: Int = 0) -> JSONValue {
    switch seed.below(depth > 3 ? 5 : 7) {
    case 0: return .null
    case 1: return .bool(seed.oneIn(2))
    case 2: return .integer(Int64(bitPattern: seed.random.uint64()))
    case 3: return .number(Double(seed.below(1_000_000)) / 1024 + 0.0001)
    case 4: return .string(text(seed))
    case 5: return .array((0..<seed.below(5)).map { _ in value(seed, depth: depth + 1) })
    default:
      let members = (0..<seed.below(5)).map { _ in (text(seed), value(seed, depth: depth + 1)) }
      return .object(Dictionary(members) { first, _ in first })
    }
  }

  private func text(_ seed: TestSeed) -> String {
    let scalars = (0..<seed.below(12)).compactMap { _ -> Unicode.Scalar? in
      switch seed.below(4) {
      case 0: Unicode.Scalar(UInt32(seed.below(0x20)))
      case 1: Unicode.Scalar(UInt32(0x20 + seed.below(0x60)))
      case 2: Unicode.Scalar(UInt32(seed.below(0x3000)))
      default: Unicode.Scalar(UInt32(seed.below(0x110000)))
      }
    }
    return String(String.UnicodeScalarView(scalars))
  }

  @Test func whatTheWriterWritesTheDecoderReads() throws {
    let seed = TestSeed()
    for _ in 0..<500 {
      let one = JSONValue.array([value(seed)])
      let bytes = JSONWriter.document { $0.value(one) }
      #expect(try JSON.decode(JSONValue.self, from: bytes) == one, "\(String(decoding: bytes, as: UTF8.self)) \(seed)")
      #expect(try JSON.decode(JSONValue.self, from: JSON.encode(one)) == one, "\(seed)")
    }
  }

  /// The decoder's cost grows with the square of the depth and more: what nobody writes is not decoded at all.
  @Test(arguments: [("[", "]"), (#"{"a":"#, "}")])
  func whatIsNestedTooDeeplyIsRefused(_ open: String, _ close: String) throws {
    func nested(_ depth: Int) -> [UInt8] {
      Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
    }
    var value = JSONValue.integer(1)
    for _ in 0..<JSON.depthMax { value = open == "[" ? .array([value]) : .object(["a": value]) }
    #expect(try JSON.decode(JSONValue.self, from: nested(JSON.depthMax)) == value)
    #expect(throws: JSON.NestedTooDeeply.self) { try JSON.decode(JSONValue.self, from: nested(JSON.depthMax + 1)) }
    let text = String(repeating: "[", count: 99) + #"\"{"#
    let quoted = JSONWriter.document { $0.string(text) }
    #expect(try JSON.decode(JSONValue.self, from: quoted) == .string(text))
  }

  @Test func theGrammarIsKept() {
    let bytes = JSONWriter.document { json in
      json.object { json in
        json.member("a", 1)
        json.key("b")
        json.array { json in
          json.bool(true)
          json.null()
          json.object { _ in }
          json.array { _ in }
          json.raw("{}".utf8)
        }
        json.key("c\"d" as String)
        json.string("e\\f\u{8}\n\u{7F}")
        json.key("g")
        json.number(.nan)
        json.member("h", Timestamp(seconds: 0))
        json.member("i", nil as Timestamp?)
      }
    }
    let expected =
      #"{"a":1,"b":[true,null,{},[],{}],"c\"d":"e\\f\u0008\n\#u{7F}","g":null,"h":"1970-01-01T00:00:00Z","i":null}"#
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
  }

  @Test func membersOfValuesAreInOrder() {
    let bytes = JSONWriter.document { $0.value(.object(["b": .integer(1), "a": .integer(2), "c": .object([:])])) }
    #expect(String(decoding: bytes, as: UTF8.self) == #"{"a":2,"b":1,"c":{}}"#)
  }

  @Test func integersStayIntegers() throws {
    let text = #"[9223372036854775807,-9223372036854775808,0.5,1e3,true,"1"]"#
    let read = try JSON.decode([JSONValue].self, from: Array(text.utf8))
    #expect(read.prefix(3) == [.integer(.max), .integer(.min), .number(0.5)])
    #expect(read.suffix(2) == [.bool(true), .string("1")])
  }

  private struct Sample: Decodable {
    struct Inner: Decodable { var size: Int }
    var name: String
    var inner: [Inner]
  }

  @Test(arguments: [
    (#"{"name":"x"}"#, "inner is missing"), (#"{"name":7,"inner":[]}"#, "name: expected String"),
    (#"{"name":"x","inner":[{"size":1},{"size":"2"}]}"#, "inner.[1].size: expected Int"),
    (#"{"name":"x","inner":[{}]}"#, "inner.[0].size is missing"), (#"{"name":null,"inner":[]}"#, "name: expected"),
    (#"{"name""#, "not valid JSON"), ("", "not valid JSON"),
  ])
  func explanationsNameTheField(_ text: String, _ expected: String) {
    do {
      _ = try JSON.decode(Sample.self, from: Array(text.utf8))
      Issue.record("read \(text)")
    } catch { #expect(JSON.explain(error).hasPrefix(expected), "\(JSON.explain(error))") }
  }
}
