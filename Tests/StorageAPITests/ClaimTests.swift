import Core
import Crypto
import JWT
import StorageAPI
import TestKit
import Testing

@Suite struct ClaimTests {
  /// Made once with Python's hmac and hashlib from the description of the protocol, not with this code.
  @Test func theTestVector() throws {
    let secret = Array(UInt8(0)..<10)
    let spki = SHA256.digest(Array("artstore test key".utf8))
    #expect(spki.description == "87699d31fbe94ab24bfbeb5a758ecb896c72a433b356133a7b28469facb63deb")
    let expected: [(ClaimProof.Role, String)] = [
      (.controlplane, "22dddfe7b4fdc32c1d5d1e0b4fe9e10db8b2d0ed45b46f3368cbe05558df52e5"),
      (.appliance, "fc101516ba32195e977bb8afc34969db5954267e57ab4ce5f5873ecca902916c"),
    ]
    for (role, text) in expected {
      let proof = ClaimProof.make(
        secret: secret, role: role, exporter: [UInt8](repeating: 0x11, count: 32), spkiHash: spki,
        controlPlaneNonce: Array(0x20..<0x30), applianceNonce: Array(0x40..<0x50))
      #expect(Hex.encode(proof) == text)
      #expect(ClaimProof.verify(text, equals: proof))
    }
    let code = try #require(ClaimCode(secret: secret, spkiHash: spki))
    #expect(code.text == "000G4-0R40M-30E20-9GXMS-TCFVX-55B4J-ZVXDD-7B3PB-H7S11")
    #expect(ClaimProof.exporterLabel == "EXPORTER-artstore-claim")
  }

  @Test func everyPartIsBound() {
    let seed = TestSeed()
    func parts() -> [[UInt8]] { [10, 32, 32, 16, 16].map { seed.random.bytes($0) } }
    func proof(_ parts: [[UInt8]], _ role: ClaimProof.Role = .controlplane) -> [UInt8] {
      ClaimProof.make(
        secret: parts[0], role: role, exporter: parts[1], spkiHash: Checksum(bytes: parts[2])!,
        controlPlaneNonce: parts[3], applianceNonce: parts[4])
    }
    let base = parts()
    let good = proof(base)
    #expect(proof(base) == good)
    #expect(proof(base, .appliance) != good, "a proof cannot be reflected")
    for index in base.indices {
      var changed = base
      changed[index][seed.below(changed[index].count)] ^= 1
      #expect(proof(changed) != good, "part \(index)")
    }
    #expect(!ClaimProof.verify("", equals: good))
    #expect(!ClaimProof.verify(Hex.encode(good).dropLast() + "", equals: good))
    #expect(!ClaimProof.verify(Hex.encode(good) + "00", equals: good))
    #expect(!ClaimProof.verify("zz", equals: good))
  }

  @Test func codesSurviveHowPeopleTypeThem() throws {
    let seed = TestSeed()
    for _ in 0..<100 {
      let hash = SHA256.digest(seed.random.bytes(8))
      let code = try #require(ClaimCode(secret: seed.random.bytes(10), spkiHash: hash))
      #expect(ClaimCode(text: code.text) == code, "\(seed)")
      let sloppy = code.text.lowercased().replacing("-", with: " ").replacing("0", with: "o").replacing("1", with: "l")
      #expect(ClaimCode(text: "  \(sloppy) ") == code, "\(seed)")
      #expect(code.matches(spkiHash: hash))
      #expect(!code.matches(spkiHash: SHA256.digest([1])))
      #expect(code.text.split(separator: "-").allSatisfy { $0.count == 5 } && code.text.count == 53)
    }
    #expect(ClaimCode(secret: [1], spkiHash: SHA256.digest([])) == nil)
  }

  /// One wrong digit and any two swapped neighbours: 17 bits of checksum let 1 in 131,072 pass.
  @Test func typingErrorsAreFound() throws {
    let seed = TestSeed()
    let code = try #require(ClaimCode(secret: seed.random.bytes(10), spkiHash: SHA256.digest(seed.random.bytes(4))))
    let digits = Array(code.text.filter { $0 != "-" })
    let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    var passed = 0
    for index in digits.indices {
      for digit in alphabet where digit != digits[index] {
        var changed = digits
        changed[index] = digit
        if ClaimCode(text: String(changed)) != nil { passed += 1 }
      }
      if index > 0, digits[index] != digits[index - 1] {
        var changed = digits
        changed.swapAt(index, index - 1)
        if ClaimCode(text: String(changed)) != nil { passed += 1 }
      }
    }
    #expect(passed <= 1, "\(seed)")
    for text in ["", "0", code.text + "0", String(code.text.dropLast()), code.text.replacing("-", with: "_"), "UUUUU"] {
      #expect(ClaimCode(text: text) == nil)
    }
  }

  @Test func messagesSurviveTheWire() throws {
    let hello = try JSON.decode(ClaimRequest.self, from: Array(#"{"step":"hello","nonce":"00"}"#.utf8))
    guard case .hello("00") = hello else {
      Issue.record("\(hello)")
      return
    }
    let key = try PrivateKey.p256()
    let installation = ClaimInstallation(
      certificate: "c", clientCA: "ca", keyBundle: try SignedMessage.make(["a": 1], by: key),
      settings: ApplianceSettings(displayName: "North"), adminSPKI: "ab")
    let bytes = try JSON.encode(ClaimRequest.install(installation))
    #expect(String(decoding: bytes, as: UTF8.self).contains(#""step":"install""#))
    guard case .install(let read) = try JSON.decode(ClaimRequest.self, from: bytes) else {
      Issue.record("not an installation")
      return
    }
    #expect(read.clientCA == "ca" && read.keyBundle == installation.keyBundle && read.settings == installation.settings)
    for text in [#"{"step":"reset"}"#, #"{"nonce":"00"}"#, #"{"step":"prove"}"#, #"{"step":"install"}"#] {
      #expect(throws: DecodingError.self) { try JSON.decode(ClaimRequest.self, from: Array(text.utf8)) }
    }
  }
}
