internal import Core
public import Crypto

/// A public key as JSON (RFC 7517): RSA (RFC 7518 §6.3), or P-256 (§6.2). Members of other keys are not kept.
public struct JSONWebKey: Sendable, Hashable, Codable {
  public var kty: String
  public var kid: String?
  public var use: String?
  public var alg: String?
  /// Modulus and exponent of an RSA key, base64url.
  public var n: String?
  public var e: String?
  /// Curve and coordinates of an EC key, base64url.
  public var crv: String?
  public var x: String?
  public var y: String?

  public init(_ key: PublicKey, keyID: String) {
    kid = keyID
    use = "sig"
    if let numbers = key.rsaComponents {
      kty = "RSA"
      alg = "RS256"
      n = Base64.url.encode(numbers.modulus)
      e = Base64.url.encode(numbers.exponent)
    } else {
      // The SPKI of a P-256 key ends in its uncompressed point: x and y of 32 bytes each (RFC 5480 §2.2).
      kty = "EC"
      alg = "ES256"
      crv = "P-256"
      x = Base64.url.encode(key.spki.suffix(64).prefix(32))
      y = Base64.url.encode(key.spki.suffix(32))
    }
  }

  /// The key's thumbprint (RFC 7638): a good `kid`.
  public static func thumbprint(of key: PublicKey) -> String {
    let jwk = JSONWebKey(key, keyID: "")
    let canonical =
      if let n = jwk.n, let e = jwk.e {
        #"{"e":"\#(e)","kty":"RSA","n":"\#(n)"}"#
      } else {
        #"{"crv":"P-256","kty":"EC","x":"\#(jwk.x ?? "")","y":"\#(jwk.y ?? "")"}"#
      }
    return Base64.url.encode(SHA256.digest(Array(canonical.utf8)).bytes)
  }

  /// The key when it may verify RS256 signatures; nil for other kinds, uses and algorithms, and for numbers that make
  /// no key of 2048 to 8192 bits.
  public var rs256Key: PublicKey? {
    guard kty == "RSA", use == nil || use == "sig", alg == nil || alg == "RS256" else { return nil }
    guard let modulus = n.flatMap(Base64.url.decode(_:)), let exponent = e.flatMap(Base64.url.decode(_:)) else {
      return nil
    }
    return try? PublicKey(rsaModulus: modulus, exponent: exponent)  // a key that makes none is one we do not have
  }
}

/// A set of public keys (RFC 7517 §5). Keys that are of no use here are kept and ignored, as the RFC asks.
public struct JSONWebKeySet: Sendable, Hashable, Codable {
  public var keys: [JSONWebKey]

  /// Verifiers look at no more than this many keys.
  public static let countMax = 64

  public init(keys: [JSONWebKey]) { self.keys = keys }
}
