import Core
import Crypto
import JWT
import StorageAPI
import TestKit
import Testing

@Suite struct SignedMessageTests {
  private func bundle(_ key: PrivateKey) -> KeyBundle {
    KeyBundle(
      version: 7, issuedAt: ManualTime().now(), issuer: "https://issuer.test", keys: JSONWebKeySet(keys: []),
      clientCA: "PEM", revokedKeys: [SHA256.digest([1])], trustKey: Base64.standard.encode(key.publicKey.spki))
  }

  @Test(arguments: [false, true]) func aBundleSurvivesAndOnlyItsKeyOpensIt(_ usesRSA: Bool) throws {
    let key = usesRSA ? try PrivateKey.rsa(bits: 2048) : try PrivateKey.p256()
    let message = try SignedMessage.make(bundle(key), by: key)
    let wire = try JSON.decode(SignedMessage.self, from: JSON.encode(message))
    let read = try wire.open(KeyBundle.self, by: key.publicKey)
    #expect(read.version == 7 && read.kind == KeyBundle.kindName && read.revokedKeys == bundle(key).revokedKeys)
    let other = try PrivateKey.p256()
    #expect(throws: SignedMessageError.wrongSignature) { try wire.open(KeyBundle.self, by: other.publicKey) }
  }

  @Test func changedMessagesAreRefused() throws {
    let key = try PrivateKey.p256()
    let message = try SignedMessage.make(bundle(key), by: key)
    let seed = TestSeed()
    for _ in 0..<200 {
      var changed = message
      var bytes = try #require(Base64.standard.decode(seed.oneIn(2) ? changed.payload : changed.signature))
      let isPayload = bytes == Base64.standard.decode(changed.payload)
      bytes[seed.below(bytes.count)] ^= UInt8(1 + seed.below(255))
      if isPayload {
        changed.payload = Base64.standard.encode(bytes)
      } else {
        changed.signature = Base64.standard.encode(bytes)
      }
      #expect(throws: SignedMessageError.wrongSignature, "\(seed)") {
        try changed.open(KeyBundle.self, by: key.publicKey)
      }
    }
  }

  /// The signature covers a prefix of its own, so that nothing else signed with the key passes for a message.
  @Test func whatWasSignedForAnotherPurposeIsRefused() throws {
    let key = try PrivateKey.p256()
    let bytes = try JSON.encode(bundle(key))
    let bare = SignedMessage(
      payload: Base64.standard.encode(bytes), signature: Base64.standard.encode(try key.sign(bytes)))
    #expect(throws: SignedMessageError.wrongSignature) { try bare.open(KeyBundle.self, by: key.publicKey) }
  }

  @Test func anotherDocumentIsNoBundle() throws {
    let key = try PrivateKey.p256()
    let message = try SignedMessage.make(["kind": "time"], by: key)
    #expect(throws: SignedMessageError.self) { try message.open(KeyBundle.self, by: key.publicKey) }
    #expect(throws: SignedMessageError.self) {
      try SignedMessage(payload: "!", signature: "").open(KeyBundle.self, by: key.publicKey)
    }
  }
}
