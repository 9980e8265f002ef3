import Core
import Testing

@testable import Crypto

/// Published vectors: FIPS 180-4 examples, RFC 4231, RFC 2202, RFC 5869, NIST's GCM set.
@Suite struct KnownAnswerTests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func sha256(_ text: String, _ expected: String) {
    #expect(SHA256.digest(Array(text.utf8)).description == expected)
  }

  @Test func sha256OfAMillionBytesInUnevenPieces() {
    let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    var hash = SHA256()
    var rest = bytes[...]
    var step = 1
    while !rest.isEmpty {
      hash.update(rest.prefix(step))
      rest = rest.dropFirst(step)
      step = step * 3 % 9973 + 1
    }
    #expect(hash.current() == SHA256.digest(bytes))
    #expect(
      hash.finish().description == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func currentDoesNotEndTheDigest() {
    var hash = SHA256()
    hash.update(Array("ab".utf8))
    let half = hash.current()
    hash.update(Array("c".utf8))
    #expect(half == SHA256.digest(Array("ab".utf8)))
    #expect(hash.finish() == SHA256.digest(Array("abc".utf8)))
  }

  @Test(arguments: [
    (
      [UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      [UInt8](repeating: 0xAA, count: 131),
      Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
  ])
  func hmacOfRFC4231(_ key: [UInt8], _ message: [UInt8], _ expected: String) {
    #expect(Hex.encode(HMACSHA256.code(key: key, message: message)) == expected)
  }

  @Test func hmacWithEmptyKeyAndMessage() {
    #expect(
      Hex.encode(HMACSHA256.code(key: [], message: []))
        == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
  }

  @Test func hmacSHA1OfRFC2202() {
    #expect(
      Hex.encode(HMACSHA1.code(key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8)))
        == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
  }

  @Test func hkdfOfRFC5869() throws {
    // Test case 3: no salt, no info.
    let secret = [UInt8](repeating: 0x0B, count: 22)
    let third = HKDF.derive(secret: secret, info: "", count: 42)
    #expect(
      Hex.encode(third)
        == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    #expect(HKDF.derive(secret: secret, info: "a", count: 32) != HKDF.derive(secret: secret, info: "b", count: 32))
  }

  @Test func gcmOpensNISTsBox() throws {
    // NIST GCM test case 16: AES-256 with additional data; its nonce has 12 bytes.
    let key = try #require(Hex.decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
    let nonce = "cafebabefacedbaddecaf888"
    let text =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555"
      + "d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    let tag = "76fc6ece0f4e1768cddf8853bb2d551b"
    let context = try #require(Hex.decode("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    let box = try #require(Hex.decode(nonce + text + tag))
    #expect(
      Hex.encode(try AESGCM.open(box, key: key, authenticating: context))
        == "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a31"
        + "8a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
  }

  @Test func gcmRefusesEveryChangedByte() throws {
    let random = SeededRandom(seed: 7)
    let key = random.bytes(32)
    let box = try AESGCM.seal(Array("the payload".utf8), key: key, authenticating: [1], random: random)
    #expect(try AESGCM.open(box, key: key, authenticating: [1]) == Array("the payload".utf8))
    for index in box.indices {
      var changed = box
      changed[index] ^= 1
      #expect(throws: CryptoError.self) { try AESGCM.open(changed, key: key, authenticating: [1]) }
    }
    #expect(throws: CryptoError.self) { try AESGCM.open(box, key: key, authenticating: [2]) }
    #expect(throws: CryptoError.self) { try AESGCM.open(box, key: random.bytes(32), authenticating: [1]) }
    #expect(throws: CryptoError.self) { try AESGCM.open(box, key: Array(key.dropLast()), authenticating: [1]) }
    #expect(throws: CryptoError.self) { try AESGCM.open(Array(box.prefix(27)), key: key, authenticating: [1]) }
  }

  @Test func gcmSealsNothingAndNeverTwiceAlike() throws {
    let random = SeededRandom(seed: 8)
    let key = random.bytes(32)
    let first = try AESGCM.seal([], key: key, random: random)
    let second = try AESGCM.seal([], key: key, random: random)
    #expect(first != second)
    #expect(try AESGCM.open(first, key: key) == [])
  }

  @Test func constantTimeComparison() {
    #expect(ConstantTime.equal([UInt8](), []))
    #expect(ConstantTime.equal([1, 2], [1, 2]))
    #expect(!ConstantTime.equal([1, 2], [1, 3]))
    #expect(!ConstantTime.equal([1, 2], [1, 2, 3]))
    #expect(!ConstantTime.equal("a", "b"))
  }
}
