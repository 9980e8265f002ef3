import Core
import TestKit
import Testing

@Suite struct EncodingsTests {
  /// RFC 4648 §10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func base64OfRFC4648(_ plain: String, _ encoded: String) {
    #expect(Base64.standard.encode(plain.utf8) == encoded)
    #expect(Base64.standard.decode(encoded) == Array(plain.utf8))
    let bare = encoded.filter { $0 != "=" }
    #expect(Base64.url.encode(plain.utf8) == bare)
    #expect(Base64.url.decode(bare) == Array(plain.utf8))
  }

  @Test func theTwoAlphabets() {
    #expect(Base64.standard.encode([0xFB, 0xFF]) == "+/8=")
    #expect(Base64.url.encode([0xFB, 0xFF]) == "-_8")
    #expect(Base64.url.decode("+/8") == nil)
    #expect(Base64.standard.decode("-_8=") == nil)
  }

  @Test(arguments: ["Zg", "Zg=", "Zg===", "Z===", "=", "====", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm9v====", "Zäg="])
  func onlyOneTextPerValue(_ text: String) { #expect(Base64.standard.decode(text) == nil) }

  @Test(arguments: ["Z", "Zh", "Zm9v=", "Zg==", "Zm9vY", "Z-\u{0}="])
  func onlyOneTextPerValueInURLs(_ text: String) { #expect(Base64.url.decode(text) == nil) }

  @Test func everythingSurvivesAndNothingHasTwoTexts() {
    let seed = TestSeed()
    for _ in 0..<500 {
      let bytes = seed.random.bytes(seed.below(40))
      #expect(Base64.standard.decode(Base64.standard.encode(bytes)) == bytes)
      #expect(Base64.url.decode(Base64.url.encode(bytes)) == bytes)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
      var text = Array(Base64.url.encode(bytes).utf8)
      guard !text.isEmpty else { continue }
      text[seed.below(text.count)] = UInt8(seed.below(128))
      let changed = String(decoding: text, as: UTF8.self)
      if let read = Base64.url.decode(changed) { #expect(Base64.url.encode(read) == changed, "\(seed)") }
    }
  }

  @Test func hex() {
    #expect(Hex.encode([0, 0xAB, 0xFF]) == "00abff")
    #expect(Hex.decode("00ABff") == [0, 0xAB, 0xFF])
    for text in ["0", "0g", "0x", " 00", "00 ", "é"] { #expect(Hex.decode(text) == nil) }
  }

  @Test func checksums() throws {
    let text = String(repeating: "0aF9", count: 16)
    #expect(try #require(Checksum(text)).description == text.lowercased())
    #expect(Checksum(String(text.dropLast())) == nil)
    #expect(Checksum(String(text.dropLast()) + "g") == nil)
    #expect(Checksum(bytes: [1]) == nil)
    #expect(throws: DecodingError.self) { try JSON.decode([Checksum].self, from: Array(#"["ab"]"#.utf8)) }
  }
}
