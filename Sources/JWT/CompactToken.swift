internal import Core

/// A token taken apart (RFC 7515 §7.1), its signature not looked at yet.
package struct CompactToken {
  let keyID: String
  /// The bytes that were signed: header and payload as they came.
  let signed: [UInt8]
  let signature: [UInt8]
  private let payload: [UInt8]

  private struct Header: Decodable {
    let alg: String
    let kid: String?
  }

  package init(_ token: String) throws(TokenError) {
    // Bytes, not characters: finding those costs more than all the rest, and base64url has none beyond ASCII.
    let parts = token.utf8.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
      .map(Substring.init)
    guard parts.count == 3 else { throw .malformed("it does not have three parts") }
    guard let head = Base64.url.decode(parts[0]), let payload = Base64.url.decode(parts[1]),
      let signature = Base64.url.decode(parts[2]), !signature.isEmpty
    else { throw .malformed("a part is not base64url") }
    let header: Header
    do {
      try MemberNames.check(head, forbidden: ["crit", "b64", "zip"])
      header = try JSON.decode(Header.self, from: head)
    } catch let error as TokenError {
      throw error
    } catch {
      throw .malformed("its header: \(JSON.explain(error))")
    }
    guard header.alg == "RS256" else { throw .wrongAlgorithm }
    guard let keyID = header.kid, (1...256).contains(keyID.utf8.count) else {
      throw .malformed("it names no key (kid)")
    }
    self.keyID = keyID
    self.payload = payload
    self.signature = signature
    signed = Array(token.utf8.prefix(parts[0].utf8.count + 1 + parts[1].utf8.count))
  }

  /// Call after the signature was verified.
  package func claims() throws(TokenError) -> TokenClaims {
    do {
      try MemberNames.check(payload, forbidden: [])
      return try JSON.decode(TokenClaims.self, from: payload)
    } catch let error as TokenError {
      throw error
    } catch {
      throw .malformed("its claims: \(JSON.explain(error))")
    }
  }
}
