/// Why a token is not accepted. Never holds the token or what it claims of a person.
public enum TokenError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Not three strict base64url parts of bounded size with the JSON this product expects.
  case malformed(String)
  /// `alg` is not `RS256`.
  case wrongAlgorithm
  /// No trusted key has this `kid`: the key bundle may be older than the token.
  case unknownKey
  case wrongSignature
  case expired
  /// `nbf` or `iat` lies in the future by more than the leeway.
  case notYetValid
  case wrongIssuer
  case wrongAudience

  public var description: String {
    switch self {
    case .malformed(let what): "the token is malformed: \(what)"
    case .wrongAlgorithm: "the token's algorithm is not RS256"
    case .unknownKey: "the token is signed with a key that is not trusted here"
    case .wrongSignature: "the token's signature is wrong"
    case .expired: "the token has expired"
    case .notYetValid: "the token is not valid yet"
    case .wrongIssuer: "the token is from another issuer"
    case .wrongAudience: "the token is for another audience"
    }
  }
}
