import COpenSSL
import CTLS
import Glibc
import TestKit
import Testing

/// The ciphers of `Sources/CTLS/gcm.c`. Where the processor has not what they need, there are none: the one test that
/// means something then is `areThereWhereTheProcessorHasWhatTheyNeed`.
@Suite struct GCMTests {
  struct Answer: Sendable, CustomTestStringConvertible {
    let cipher: String
    let key, nonce, text, additional, sealed, tag: String
    var testDescription: String { "\(cipher), \(text.count / 2) bytes" }
  }

  private static let zeros = String(repeating: "0", count: 32)
  private static let key = "feffe9928665731c6d6a8f9467308308"
  private static let text = """
    d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657\
    ba637b391aafd255
    """
  private static let sealed128 = """
    42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97\
    3d58e091473f5985
    """
  private static let sealed256 = """
    522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a\
    bcc9f662898015ad
    """

  /// Test cases 1 to 4 and 13 to 16 of the specification that NIST took (McGrew, Viega: The Galois/Counter Mode).
  static let answers: [Answer] = {
    let (none, nonce) = (String(zeros.prefix(24)), "cafebabefacedbaddecaf888")
    let additional = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
    return [
      Answer(
        cipher: "AES-128-GCM", key: zeros, nonce: none, text: "", additional: "", sealed: "",
        tag: "58e2fccefa7e3061367f1d57a4e7455a"),
      Answer(
        cipher: "AES-128-GCM", key: zeros, nonce: none, text: zeros, additional: "",
        sealed: "0388dace60b6a392f328c2b971b2fe78", tag: "ab6e47d42cec13bdf53a67b21257bddf"),
      Answer(
        cipher: "AES-128-GCM", key: key, nonce: nonce, text: text, additional: "", sealed: sealed128,
        tag: "4d5c2af327cd64a62cf35abd2ba6fab4"),
      Answer(
        cipher: "AES-128-GCM", key: key, nonce: nonce, text: String(text.prefix(120)), additional: additional,
        sealed: String(sealed128.prefix(120)), tag: "5bc94fbc3221a5db94fae95ae7121a47"),
      Answer(
        cipher: "AES-256-GCM", key: zeros + zeros, nonce: none, text: "", additional: "", sealed: "",
        tag: "530f8afbc74536b9a963b4f1c4cb738b"),
      Answer(
        cipher: "AES-256-GCM", key: zeros + zeros, nonce: none, text: zeros, additional: "",
        sealed: "cea7403d4d606b6e074ec5d3baf39d18", tag: "d0d1c8a799996bf0265b98b5d48ab919"),
      Answer(
        cipher: "AES-256-GCM", key: key + key, nonce: nonce, text: text, additional: "", sealed: sealed256,
        tag: "b094dac5d93471bdec1a502270e3cc6c"),
      Answer(
        cipher: "AES-256-GCM", key: key + key, nonce: nonce, text: String(text.prefix(120)), additional: additional,
        sealed: String(sealed256.prefix(120)), tag: "76fc6ece0f4e1768cddf8853bb2d551b"),
    ]
  }()

  static func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap { $0.hexDigitValue }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  static func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255) } }

  static func keyBytes(_ cipher: String) -> Int { cipher == "AES-128-GCM" ? 16 : 32 }

  @Test func areThereWhereTheProcessorHasWhatTheyNeed() throws {
    let file = try #require(fopen("/proc/cpuinfo", "r"))
    defer { fclose(file) }
    var flags: Set<Substring> = []
    var line = [CChar](repeating: 0, count: 1 << 14)
    while flags.isEmpty, fgets(&line, CInt(line.count), file) != nil {
      let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if words.hasPrefix("flags") { flags = Set(words.split { $0 == " " || $0 == "\n" }) }
    }
    let needed: Set<Substring> = ["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd", "vaes", "vpclmulqdq"]
    #expect(artstore_gcm_is_available() == (flags.isSuperset(of: needed) ? 1 : 0))
    #expect((GCM("AES-128-GCM", by: .ours) != nil) == flags.isSuperset(of: needed))
  }

  @Test(arguments: answers) func giveKnownAnswers(_ answer: Answer) throws {
    guard let ours = GCM(answer.cipher, by: .ours) else { return }
    let (nonce, additional) = (Self.bytes(answer.nonce), Self.bytes(answer.additional))
    #expect(ours.use(key: Self.bytes(answer.key)))
    let sealed = try #require(ours.seal(Self.bytes(answer.text), nonce: nonce, additional: additional))
    #expect(sealed.text == Self.bytes(answer.sealed))
    #expect(sealed.tag == Self.bytes(answer.tag))
    let opened = ours.open(sealed.text, tag: sealed.tag, nonce: nonce, additional: additional)
    #expect(opened == Self.bytes(answer.text))
  }

  @Test(arguments: ["AES-128-GCM", "AES-256-GCM"], [0, 1, 15, 16, 17, 255, 256, 767, 768, 4095, 16_384, 16_385])
  func agreeWithOpenSSL(_ cipher: String, _ count: Int) throws {
    guard let ours = GCM(cipher, by: .ours) else { return }
    let theirs = try #require(GCM(cipher, by: .openSSL))
    let key = Self.random(Self.keyBytes(cipher))
    #expect(ours.use(key: key) && theirs.use(key: key))
    for additional in [[], Self.random(5), Self.random(13)] {
      let (text, nonce) = (Self.random(count), Self.random(12))
      let mine = try #require(ours.seal(text, nonce: nonce, additional: additional))
      let other = try #require(theirs.seal(text, nonce: nonce, additional: additional))
      #expect(mine.text == other.text && mine.tag == other.tag)
      #expect(theirs.open(mine.text, tag: mine.tag, nonce: nonce, additional: additional) == text)
      #expect(ours.open(other.text, tag: other.tag, nonce: nonce, additional: additional) == text)
    }
  }

  /// More contexts than expanded keys are kept, each in the middle of a text while the others go on.
  @Test(arguments: ["AES-128-GCM", "AES-256-GCM"]) func manyTakeTurns(_ cipher: String) throws {
    guard let first = GCM(cipher, by: .ours) else { return }
    let theirs = try #require(GCM(cipher, by: .openSSL))
    let all = [first] + (0..<40).map { _ in GCM(beside: first) }
    for round in 0..<20 {
      let keys = all.map { _ in Self.random(Self.keyBytes(cipher)) }
      let nonces = all.map { _ in Self.random(12) }
      let plain = all.map { _ in Self.random(.random(in: 0...3000)) }
      var texts = plain
      for (at, one) in all.enumerated() {
        #expect(round % 2 == 1 || one.use(key: keys[at]))
        #expect(one.begin(sealing: true, nonce: nonces[at]) && (round % 2 == 0 || one.use(key: keys[at])))
        #expect(one.add([1, 2, 3]) && one.add([4, 5]))
        #expect(one.pass(&texts[at], 0..<(texts[at].count / 3)))
      }
      for at in all.indices.shuffled() {
        #expect(all[at].pass(&texts[at], (texts[at].count / 3)..<texts[at].count) && all[at].end())
      }
      for (at, one) in all.enumerated() {
        #expect(theirs.use(key: keys[at]))
        let expected = try #require(theirs.seal(plain[at], nonce: nonces[at], additional: [1, 2, 3, 4, 5]))
        #expect(texts[at] == expected.text && one.tag() == expected.tag)
      }
    }
  }

  @Test(arguments: [0, 1, 16, 4095, 16_384]) func refuseWhatIsNotGenuine(_ count: Int) throws {
    guard let ours = GCM("AES-128-GCM", by: .ours) else { return }
    let (text, nonce, additional) = (Self.random(count), Self.random(12), Self.random(5))
    #expect(ours.use(key: Self.random(16)))
    let (sealed, tag) = try #require(ours.seal(text, nonce: nonce, additional: additional))
    func flipped(_ bytes: [UInt8]) -> [UInt8] {
      var bytes = bytes
      bytes[.random(in: bytes.indices)] ^= 1 << UInt8.random(in: 0..<8)
      return bytes
    }
    for _ in 0..<50 {
      #expect(ours.open(sealed, tag: flipped(tag), nonce: nonce, additional: additional) == nil)
      #expect(ours.open(sealed, tag: tag, nonce: nonce, additional: flipped(additional)) == nil)
      #expect(ours.open(sealed, tag: tag, nonce: flipped(nonce), additional: additional) == nil)
      if count > 0 { #expect(ours.open(flipped(sealed), tag: tag, nonce: nonce, additional: additional) == nil) }
    }
    #expect(ours.open(sealed, tag: tag, nonce: nonce) == nil)
    #expect(ours.open(sealed, tag: tag, nonce: nonce, additional: additional) == text)
    // A tag is good for one text.
    var again = sealed
    #expect(ours.begin(sealing: false, nonce: nonce) && ours.add(additional))
    #expect(ours.pass(&again, 0..<count) && !ours.end())
  }

  @Test func refuseWhatTheyAreNotMadeFor() throws {
    guard let ours = GCM("AES-128-GCM", by: .ours) else { return }
    var text = Self.random(64)
    let (nonce, key) = (Self.random(12), Self.random(16))
    // No key, and no nonce.
    #expect(ours.begin(sealing: true, nonce: nonce) && !ours.pass(&text, 0..<64))
    #expect(ours.use(key: key) && ours.pass(&text, 0..<64) && ours.end() && ours.tag() != nil)
    // A nonce again, a tag of a text that has not ended, additional data behind the text.
    #expect(!ours.pass(&text, 0..<64) && !ours.end() && !ours.add([1]))
    #expect(ours.begin(sealing: true, nonce: nonce) && ours.pass(&text, 0..<64))
    #expect(ours.tag() == nil && !ours.add([1]))
    #expect(ours.begin(sealing: true, nonce: nonce) && ours.add(Self.random(20)) && !ours.add([1]))
    // Other lengths, setting the tag of what is sealed, asking for that of what is opened, TLS 1.2.
    #expect(EVP_CIPHER_CTX_ctrl(ours.context, EVP_CTRL_AEAD_SET_IVLEN, 12, nil) == 1)
    for count: CInt in [8, 11, 13, 16] {
      #expect(EVP_CIPHER_CTX_ctrl(ours.context, EVP_CTRL_AEAD_SET_IVLEN, count, nil) <= 0)
    }
    #expect(EVP_CIPHER_CTX_set_key_length(ours.context, 32) <= 0)
    #expect(!ours.expect(tag: Self.random(16)))
    #expect(ours.begin(sealing: false, nonce: nonce) && !ours.expect(tag: Self.random(12)) && ours.tag() == nil)
    var head = Self.random(13)
    #expect(EVP_CIPHER_CTX_ctrl(ours.context, EVP_CTRL_AEAD_TLS1_AAD, 13, &head) <= 0)
    #expect(EVP_CIPHER_CTX_ctrl(ours.context, EVP_CTRL_GCM_SET_IV_FIXED, 4, &head) <= 0)
    ERR_clear_error()
  }

  @Test func aCopyGoesOnByItself() throws {
    guard let ours = GCM("AES-256-GCM", by: .ours) else { return }
    let (text, nonce) = (Self.random(1000), Self.random(12))
    var (one, other) = (text, text)
    #expect(ours.use(key: Self.random(32)) && ours.begin(sealing: true, nonce: nonce) && ours.pass(&one, 0..<500))
    let copy = GCM(beside: ours)
    #expect(EVP_CIPHER_CTX_copy(copy.context, ours.context) == 1)
    other[..<500] = one[..<500]
    #expect(ours.pass(&one, 500..<1000) && ours.end() && copy.pass(&other, 500..<1000) && copy.end())
    #expect(one == other && ours.tag() == copy.tag())
  }
}
