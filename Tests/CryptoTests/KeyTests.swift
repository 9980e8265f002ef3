import Core
import TestKit
import Testing

@testable import Crypto

@Suite struct KeyTests {
  @Test func keysSurvivePEM() throws {
    for key in [try PrivateKey.rsa(bits: 2048), try PrivateKey.p256()] {
      let again = try PrivateKey(pem: try key.pem)
      #expect(again.publicKey == key.publicKey)
      let signature = try again.sign(Array("message".utf8))
      #expect(key.publicKey.verify(signature: signature, of: Array("message".utf8)))
      #expect(!key.publicKey.verify(signature: signature, of: Array("massage".utf8)))
      #expect(try PublicKey(spki: key.publicKey.spki) == key.publicKey)
    }
  }

  @Test func rsaNumbersMakeTheSameKey() throws {
    let key = try PrivateKey.rsa(bits: 2048)
    let numbers = try #require(key.publicKey.rsaComponents)
    #expect(numbers.modulus.count == 256)
    #expect(numbers.exponent == [1, 0, 1])
    let again = try PublicKey(rsaModulus: numbers.modulus, exponent: numbers.exponent)
    #expect(again == key.publicKey)
    #expect(try PrivateKey.p256().publicKey.rsaComponents == nil)
  }

  @Test func changedSignaturesAreRefused() throws {
    let seed = TestSeed()
    for key in [try PrivateKey.rsa(bits: 2048), try PrivateKey.p256()] {
      let message = seed.random.bytes(100)
      let signature = try key.sign(message)
      for _ in 0..<100 {
        var changed = signature
        changed[seed.below(changed.count)] ^= UInt8(1 + seed.below(255))
        #expect(!key.publicKey.verify(signature: changed, of: message), "\(seed)")
      }
      #expect(!key.publicKey.verify(signature: [], of: message))
      #expect(!key.publicKey.verify(signature: signature + [0], of: message))
    }
  }

  @Test func opensslReadsOurKeysAndSignatures() throws {
    let directory = try TemporaryDirectory("keys")
    for (name, key) in [("rsa", try PrivateKey.rsa(bits: 2048)), ("ec", try PrivateKey.p256())] {
      try directory.write(try key.pem, to: "\(name).pem")
      try directory.write("hello", to: "message")
      let signature = try OpenSSLTool.run(
        ["dgst", "-sha256", "-sign", directory.file("\(name).pem"), directory.file("message")])
      #expect(key.publicKey.verify(signature: signature, of: Array("hello".utf8)))
      let spki = try OpenSSLTool.run(["pkey", "-in", directory.file("\(name).pem"), "-pubout", "-outform", "DER"])
      #expect(spki == key.publicKey.spki)
    }
  }

  @Test(arguments: [
    ["genrsa", "1024"], ["ecparam", "-name", "secp384r1", "-genkey", "-noout"], ["genpkey", "-algorithm", "ed25519"],
  ])
  func otherKindsAreRefused(_ arguments: [String]) throws {
    let pem = String(decoding: try OpenSSLTool.run(arguments), as: UTF8.self)
    #expect(pem.contains("PRIVATE KEY"))
    #expect(throws: CryptoError.self) { try PrivateKey(pem: pem) }
  }

  @Test func encryptedKeysAreRefusedWithoutAsking() throws {
    let pem = try OpenSSLTool.run(["genrsa", "-aes128", "-passout", "pass:secret", "2048"])
    #expect(throws: CryptoError.self) { try PrivateKey(pem: String(decoding: pem, as: UTF8.self)) }
  }

  @Test func traditionalFormsAreRead() throws {
    let pem = try OpenSSLTool.run(["genrsa", "-traditional", "2048"])
    #expect(try PrivateKey(pem: String(decoding: pem, as: UTF8.self)).publicKey.rsaComponents != nil)
  }

  @Test func spkiWithBytesAfterItOrChangedIsRefused() throws {
    let spki = try PrivateKey.p256().publicKey.spki
    #expect(throws: CryptoError.self) { try PublicKey(spki: spki + [0]) }
    #expect(throws: CryptoError.self) { try PublicKey(spki: Array(spki.dropLast())) }
    #expect(throws: CryptoError.self) { try PublicKey(spki: []) }
    let seed = TestSeed()
    for _ in 0..<500 {
      var changed = spki
      changed[seed.below(changed.count)] ^= UInt8(1 + seed.below(255))
      // A changed point is hardly ever on the curve; when it is read, it is another key.
      if let key = try? PublicKey(spki: changed) { #expect(key.spki == changed, "\(seed)") }  // refusal is as good
    }
  }
}
