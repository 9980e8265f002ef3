internal import Core
internal import JWT

extension FuzzTarget {
  /// A token's parts and claims are read without trapping, claims written again say the same, and nothing is ever
  /// accepted: no key is trusted.
  public static var token: FuzzTarget {
    FuzzTarget("token", inputBytesMax: 2048) { input throws(Violation) in
      guard let kind = input.first else { return }
      let rest = Array(input.dropFirst())
      switch kind % 3 {
      case 0: try read(String(decoding: rest, as: UTF8.self))
      // The claims alone, in an envelope that is in order: the fuzzer need not learn base64.
      case 1: try read(envelope(header: Array(#"{"alg":"RS256","kid":"k"}"#.utf8), payload: rest))
      default: try read(envelope(header: rest, payload: Array("{}".utf8)))
      }
    }
  }

  private static func envelope(header: [UInt8], payload: [UInt8]) -> String {
    "\(Base64.url.encode(header)).\(Base64.url.encode(payload)).AAAA"
  }

  private static func read(_ text: String) throws(Violation) {
    let verifier = TokenVerifier(issuer: nil, audience: "artstore", keys: JSONWebKeySet(keys: []), time: FixedTime())
    try require(!accepts(verifier, text), "a token without a trusted key was accepted")
    guard let claims = claims(text) else { return }
    do {
      let written = try JSON.encode(claims)
      let again = try JSON.decode(TokenClaims.self, from: written)
      try require(again == claims, "written again the claims are \(again) instead of \(claims)")
    } catch let violation as Violation {
      throw violation
    } catch {
      throw Violation("claims that were read cannot be written and read: \(JSON.explain(error))")
    }
  }

  private static func accepts(_ verifier: TokenVerifier, _ text: String) -> Bool {
    do throws(TokenError) {
      _ = try verifier.verify(text)
      return true
    } catch {
      return false
    }
  }

  private static func claims(_ text: String) -> TokenClaims? {
    do throws(TokenError) { return try CompactToken(text).claims() } catch { return nil }
  }

  private struct FixedTime: TimeSource {
    func now() -> Timestamp { Timestamp(seconds: 1_795_000_000) }
    func uptime() -> Duration { .zero }
  }
}
