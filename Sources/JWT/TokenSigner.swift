internal import Core
public import Crypto

/// Signs tokens: JWT (RFC 7519) as a compact JWS (RFC 7515 §3.1) with RS256.
public struct TokenSigner: Sendable {
  public let keyID: String
  public let issuer: String
  private let key: PrivateKey
  private let head: String

  /// `key` must be RSA: `sign` throws for another.
  public init(key: PrivateKey, keyID: String, issuer: String) {
    self.key = key
    self.keyID = keyID
    self.issuer = issuer
    let header = JSONWriter.document { json in
      json.object { json in
        json.member("alg", "RS256")
        json.member("kid", keyID)
        json.member("typ", "JWT")
      }
    }
    head = Base64.url.encode(header)
  }

  /// The token's text. `iss` is the signer's own, whatever the claims say.
  public func sign(_ claims: TokenClaims) throws -> String {
    guard key.publicKey.rsaComponents != nil else { throw TokenError.wrongAlgorithm }
    var claims = claims
    claims.issuer = issuer
    let signed = "\(head).\(Base64.url.encode(try JSON.encode(claims)))"
    return "\(signed).\(Base64.url.encode(try key.sign(Array(signed.utf8))))"
  }
}
