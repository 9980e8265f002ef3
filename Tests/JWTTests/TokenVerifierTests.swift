import Core
import Crypto
import TestKit
import Testing

@testable import JWT

@Suite struct TokenVerifierTests {
  let time = ManualTime()
  let tokens: TestTokens
  let verifier: TokenVerifier

  init() throws {
    tokens = try TestTokens(time: time, random: SeededRandom(seed: 3))
    verifier = tokens.verifier()
  }

  /// Signs any header and payload with the trusted key.
  private func sign(_ header: String, _ payload: String, key: PrivateKey? = nil) throws -> String {
    let signed = "\(Base64.url.encode(header.utf8)).\(Base64.url.encode(payload.utf8))"
    return "\(signed).\(Base64.url.encode(try (key ?? tokens.key).sign(Array(signed.utf8))))"
  }

  private let goodHeader = #"{"alg":"RS256","kid":"test-key","typ":"JWT"}"#

  private func payload(_ extra: String = "") -> String {
    let now = time.now().seconds
    return
      #"{"iss":"https://issuer.test","sub":"s","aud":"artstore","iat":\#(now),"exp":\#(now + 60),"jti":"j"\#(extra)}"#
  }

  private func failure(_ token: String) -> TokenError? {
    do {
      _ = try verifier.verify(token)
      return nil
    } catch { return error }
  }

  @Test func whatIsSignedComesBack() throws {
    let claims = tokens.claims(scopes: [.filesRead, .adminWrite], role: .readonly, actsFor: "ivanov")
    for _ in 0..<2 { #expect(try verifier.verify(try tokens.signer.sign(claims)) == claims) }
  }

  @Test func scopesMayBeTextAndAudienceAnArray() throws {
    let token = try sign(goodHeader, payload(#","scope":"files:read unknown:x storage:write""#))
    #expect(try verifier.verify(token).scopes == [.filesRead, .storageWrite])
    let many = payload().replacing(#""artstore""#, with: #"["x","artstore"]"#)
    #expect(try verifier.verify(try sign(goodHeader, many)).audience == ["x", "artstore"])
  }

  @Test(arguments: ["none", "None", "", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256"])
  func otherAlgorithmsAreRefused(_ algorithm: String) throws {
    let token = try sign(goodHeader.replacing("RS256", with: algorithm), payload())
    #expect(failure(token) == .wrongAlgorithm)
  }

  @Test func noneWithoutSignatureIsRefused() throws {
    let head = Base64.url.encode(#"{"alg":"none","kid":"test-key"}"#.utf8)
    #expect(failure("\(head).\(Base64.url.encode(payload().utf8)).") != nil)
    #expect(failure("\(head).\(Base64.url.encode(payload().utf8))") != nil)
  }

  @Test func thePublicKeyAsASharedSecretIsRefused() throws {
    let head = Base64.url.encode(#"{"alg":"HS256","kid":"test-key"}"#.utf8)
    let signed = "\(head).\(Base64.url.encode(payload().utf8))"
    let code = HMACSHA256.code(key: tokens.key.publicKey.spki, message: Array(signed.utf8))
    #expect(failure("\(signed).\(Base64.url.encode(code))") == .wrongAlgorithm)
  }

  @Test(arguments: [
    #"{"alg":"RS256"}"#, #"{"alg":"RS256","kid":""}"#, #"{"kid":"test-key"}"#, #"{"alg":1,"kid":"test-key"}"#,
    #"{"alg":"RS256","kid":"test-key","crit":["exp"]}"#, #"{"alg":"RS256","kid":"test-key","crit":[]}"#,
    #"{"alg":"RS256","alg":"RS256","kid":"test-key"}"#, #"{"alg":"RS256","kid":"test-key","kid":"test-key"}"#,
    #"{"alg":"RS256","kid":"test-key","b64":false}"#, #"{"alg":"RS256","kid":"test-key","zip":"DEF"}"#,
    #"{"\u0061lg":"RS256","alg":"RS256","kid":"test-key"}"#, #"["RS256"]"#, #"{"alg":"RS256","kid":"test-key""#, "",
    #"{"alg":"RS256","kid":"test-key","x":"#,
  ])
  func headersThatAreRefused(_ header: String) throws {
    let error = failure(try sign(header, payload()))
    guard case .malformed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(arguments: [
    (#""sub":"s","#, ""), (#""jti":"j""#, #""jti":"""#), (#""sub":"s","#, #""sub":7,"#), (#""aud":"artstore","#, ""),
    (#""sub":"s","#, #""sub":"s","sub":"root","#), (#""iat""#, #""exp":99999999999,"iat""#), (#""iss""#, #""iso""#),
  ])
  func claimsThatAreRefused(_ from: String, _ to: String) throws {
    #expect(failure(try sign(goodHeader, payload())) == nil)
    let error = failure(try sign(goodHeader, payload().replacing(from, with: to)))
    guard case .malformed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func issuerAudienceAndKeyAreChecked() throws {
    let now = payload()
    #expect(failure(try sign(goodHeader, now.replacing("issuer.test", with: "other.test"))) == .wrongIssuer)
    #expect(failure(try sign(goodHeader, now.replacing(#""artstore""#, with: #""storage:1""#))) == .wrongAudience)
    #expect(failure(try sign(goodHeader, now.replacing(#""artstore""#, with: "[]"))) == .wrongAudience)
    #expect(failure(try sign(goodHeader.replacing("test-key", with: "other"), now)) == .unknownKey)
    #expect(failure(try sign(goodHeader, now, key: try .rsa(bits: 2048))) == .wrongSignature)
  }

  @Test func timesAreCheckedWithSixtySecondsOfLeewayAlsoWhenRemembered() throws {
    let claims = tokens.claims(lifetime: .seconds(100))
    let token = try tokens.signer.sign(claims)
    #expect(failure(token) == nil)
    time.jump(to: claims.expiresAt + .seconds(59))
    #expect(failure(token) == nil)
    time.jump(to: claims.expiresAt + .seconds(60))
    #expect(failure(token) == .expired)
    time.jump(to: claims.notBefore - .seconds(60))
    #expect(failure(token) == nil)
    time.jump(to: claims.notBefore - .seconds(61))
    #expect(failure(token) == .notYetValid)
    #expect(throws: TokenError.notYetValid) { try tokens.verifier().verify(token) }
  }

  @Test func aRememberedTokenIsForgottenWithItsKeyOrIssuer() throws {
    let token = try tokens.mint()
    #expect(failure(token) == nil)
    verifier.update(keys: JSONWebKeySet(keys: []))
    #expect(failure(token) == .unknownKey)
    verifier.update(keys: tokens.keySet)
    #expect(failure(token) == nil)
    verifier.update(keys: tokens.keySet, issuer: "https://another.test")
    #expect(failure(token) == .wrongIssuer)
  }

  @Test func rememberingIsBounded() throws {
    let small = TokenVerifier(
      issuer: nil, audience: "artstore", keys: tokens.keySet, time: time, leeway: .zero, cacheCountMax: 4)
    for _ in 0..<30 {
      _ = try small.verify(try tokens.mint())
      #expect(small.rememberedCount <= 8)
    }
    #expect(small.rememberedCount >= 4)
  }

  @Test func ofTwoKeysWithOneNameTheFirstCounts() throws {
    let other = try PrivateKey.rsa(bits: 2048)
    verifier.update(keys: JSONWebKeySet(keys: tokens.keySet.keys + [JSONWebKey(other.publicKey, keyID: "test-key")]))
    #expect(failure(try tokens.mint()) == nil)
    #expect(failure(try sign(goodHeader, payload(), key: other)) == .wrongSignature)
  }

  @Test func keysForOtherUsesAreNotUsed() throws {
    let good = JSONWebKey(tokens.key.publicKey, keyID: "test-key")
    for change: (inout JSONWebKey) -> Void in [
      { $0.use = "enc" }, { $0.alg = "RS512" }, { $0.kty = "oct" }, { $0.n = "AQAB" }, { $0.n = nil }, { $0.kid = nil },
    ] {
      var key = good
      change(&key)
      verifier.update(keys: JSONWebKeySet(keys: [key]))
      #expect(failure(try tokens.mint()) == .unknownKey)
    }
    let curve = JSONWebKey(try PrivateKey.p256().publicKey, keyID: "test-key")
    #expect(curve.kty == "EC" && curve.rs256Key == nil)
  }

  @Test func oversizedTokensAreNotEvenRead() throws {
    let token = try sign(goodHeader, payload(#","x":"\#(String(repeating: "a", count: 7000))""#))
    guard case .malformed = failure(token) else {
      Issue.record("accepted \(token.utf8.count) bytes")
      return
    }
  }

  @Test func signingWithAKeyThatIsNotRSAIsRefused() throws {
    let signer = TokenSigner(key: try .p256(), keyID: "k", issuer: "i")
    #expect(throws: TokenError.wrongAlgorithm) { try signer.sign(tokens.claims()) }
  }

  /// Two thousand changed tokens: not one is accepted, whatever was seen before.
  @Test func noMutationIsAccepted() throws {
    let seed = TestSeed()
    let token = Array(try tokens.mint(scopes: [.filesRead]).utf8)
    #expect(failure(String(decoding: token, as: UTF8.self)) == nil)
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\u{0}".utf8)
    var count = 0
    while count < 2000 {
      var changed = token
      switch seed.below(6) {
      case 0: changed[seed.below(changed.count)] = alphabet[seed.below(alphabet.count)]
      case 1: changed.insert(alphabet[seed.below(alphabet.count)], at: seed.below(changed.count + 1))
      case 2: changed.remove(at: seed.below(changed.count))
      case 3: changed.removeLast(1 + seed.below(changed.count - 1))
      case 4: changed.swapAt(seed.below(changed.count), seed.below(changed.count))
      default:
        let start = seed.below(changed.count)
        changed.insert(contentsOf: changed[start..<min(start + 1 + seed.below(20), changed.count)], at: start)
      }
      guard changed != token else { continue }
      count += 1
      #expect(failure(String(decoding: changed, as: UTF8.self)) != nil, "\(seed)")
    }
  }
}
