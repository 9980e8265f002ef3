internal import Core
public import Crypto
public import JWT

/// Everything somebody without the signing key could try to get past a verifier with, made from what is public and from
/// good tokens: every one of these must be refused by every route.
public struct ForgedTokens: Sendable {
  /// One token, and what is wrong with it.
  public struct Forgery: Sendable, CustomStringConvertible {
    public let description: String
    public let text: String
  }

  private let signer: TokenSigner
  private let publicKey: PublicKey
  private let claims: TokenClaims
  private let stranger: PrivateKey

  /// - Parameters:
  ///   - signer: the real one; the forgeries that use it differ from `claims` in one claim each.
  ///   - publicKey: of that signer, as its key set shows it.
  ///   - claims: good ones.
  public init(signer: TokenSigner, publicKey: PublicKey, claims: TokenClaims) throws {
    self.signer = signer
    self.publicKey = publicKey
    self.claims = claims
    stranger = try PrivateKey.rsa(bits: 2048)
  }

  public func all() throws -> [Forgery] { try wrongClaims() + wrongKeys() + unsigned() + symmetric() + headers() }

  /// Signed by the right key, and not for here or not for now.
  private func wrongClaims() throws -> [Forgery] {
    func changed(_ name: String, _ change: (inout TokenClaims) -> Void) throws -> Forgery {
      var claims = claims
      change(&claims)
      return Forgery(description: name, text: try signer.sign(claims))
    }
    let life = claims.expiresAt.since(claims.issuedAt) + .seconds(120)
    return [
      try changed("expired") {
        ($0.issuedAt, $0.notBefore, $0.expiresAt) = ($0.issuedAt - life, $0.notBefore - life, $0.expiresAt - life)
      },
      try changed("not yet valid") { ($0.notBefore, $0.expiresAt) = ($0.notBefore + life, $0.expiresAt + life) },
      try changed("issued in the future") { ($0.issuedAt, $0.expiresAt) = ($0.issuedAt + life, $0.expiresAt + life) },
      try changed("no audience") { $0.audience = [] },
      try changed("audience of an appliance") { $0.audience = ["storage:00000000-0000-4000-8000-000000000001"] },
      try changed("audience with another case") { $0.audience = $0.audience.map { $0.uppercased() } },
      try changed("audience as a prefix") { $0.audience = $0.audience.map { $0 + "." } },
    ]
  }

  private func wrongKeys() throws -> [Forgery] {
    func signed(_ name: String, keyID: String) throws -> Forgery {
      let forger = TokenSigner(key: stranger, keyID: keyID, issuer: signer.issuer)
      return Forgery(description: name, text: try forger.sign(claims))
    }
    return [
      try signed("another key under the same name", keyID: signer.keyID),
      try signed("another key under another name", keyID: "stranger"),
      try signed("a key with a path for a name", keyID: "../../../../dev/null"),
      try signed("a key with SQL for a name", keyID: "' OR '1'='1"),
    ]
  }

  /// `alg: none` (RFC 7519 §6) in the spellings that got past other verifiers.
  private func unsigned() throws -> [Forgery] {
    let signature = try signer.sign(claims).split(separator: ".")[2]
    return try ["none", "None", "NONE", "nOnE", "", "null"].flatMap { name in
      let unsigned = "\(try header(name)).\(try payload())."
      return [
        Forgery(description: "alg '\(name)' without a signature", text: unsigned),
        Forgery(description: "alg '\(name)' with another token's signature", text: unsigned + signature),
      ]
    }
  }

  /// HS256 with what everybody can know as the secret: a verifier that lets the token choose would check it with the
  /// public key.
  private func symmetric() throws -> [Forgery] {
    let pem = Self.pem(publicKey.spki)
    let secrets: [(String, [UInt8])] = [
      ("the public key as PEM", Array(pem.utf8)),
      ("the public key as PEM without its last line end", Array(pem.utf8.dropLast())),
      ("the public key as DER", publicKey.spki), ("the modulus", publicKey.rsaComponents?.modulus ?? []),
      ("the key's name", Array(signer.keyID.utf8)), ("nothing", []),
    ]
    return try secrets.map { name, secret in
      let signed = "\(try header("HS256")).\(try payload())"
      let code = HMACSHA256.code(key: secret, message: Array(signed.utf8))
      return Forgery(description: "HS256 with \(name)", text: "\(signed).\(Base64.url.encode(code))")
    }
  }

  /// A stranger's signature with a header that points at the stranger's key, and headers that contradict themselves.
  private func headers() throws -> [Forgery] {
    let own = try JSON.encode(JSONWebKey(stranger.publicKey, keyID: "mine"))
    let key = String(decoding: own, as: UTF8.self)
    let name = String(decoding: JSONWriter.document { $0.string(signer.keyID) }, as: UTF8.self)
    let heads = [
      #"{"alg":"RS256","kid":\#(name),"jwk":\#(key)}"#, #"{"alg":"RS256","kid":"mine","jwk":\#(key)}"#,
      #"{"alg":"RS256","kid":"mine","jku":"https://stranger.example.org/keys"}"#,
      #"{"alg":"RS256","kid":"mine","x5u":"https://stranger.example.org/chain"}"#,
      #"{"alg":"RS256","kid":\#(name),"crit":["exp"],"exp":1}"#, #"{"alg":"RS256"}"#, #"{"kid":\#(name)}"#,
      #"{"alg":"RS256","alg":"none","kid":\#(name)}"#, #"{"alg":"RS384","kid":\#(name)}"#,
      #"{"alg":["RS256"],"kid":\#(name)}"#, #"{"alg":"rs256","kid":\#(name)}"#, "{}", "[]", "", "null",
    ]
    return try heads.map { head in
      let signed = "\(Base64.url.encode(Array(head.utf8))).\(try payload())"
      let signature = Base64.url.encode(try stranger.sign(Array(signed.utf8)))
      return Forgery(description: "the header \(head.prefix(60))", text: "\(signed).\(signature)")
    }
  }

  private func header(_ algorithm: String) throws -> String {
    Base64.url.encode(
      JSONWriter.document { json in
        json.object { json in
          json.member("alg", algorithm)
          json.member("kid", signer.keyID)
          json.member("typ", "JWT")
        }
      })
  }

  private func payload() throws -> String {
    var claims = claims
    claims.issuer = signer.issuer
    return Base64.url.encode(try JSON.encode(claims))
  }

  private static func pem(_ spki: [UInt8]) -> String {
    var body = Base64.standard.encode(spki)[...]
    var lines = ["-----BEGIN PUBLIC KEY-----"]
    while !body.isEmpty {
      lines.append(String(body.prefix(64)))
      body = body.dropFirst(64)
    }
    return lines.joined(separator: "\n") + "\n-----END PUBLIC KEY-----\n"
  }
}

extension ForgedTokens {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// `count` different texts, each a good token with something changed in it: characters, bits, parts, claims.
  public static func mutations(of token: String, count: Int, seed: TestSeed) throws -> [String] {
    var made: Set<String> = [token]
    while made.count <= count {
      made.insert(try mutate(token, seed))
    }
    made.remove(token)
    return made.sorted()
  }

  private static func mutate(_ token: String, _ seed: TestSeed) throws -> String {
    var bytes = Array(token.utf8)
    let place = seed.below(bytes.count)
    switch seed.below(8) {
    case 0: bytes[place] = alphabet[seed.below(64)]
    case 1: bytes.remove(at: place)
    case 2: bytes.insert(alphabet[seed.below(64)], at: place)
    case 3: bytes = Array(bytes.prefix(place))
    case 4: bytes[place] = Array("!$%&()*+/:;<=>?@[]^`{|}~".utf8)[seed.below(24)]
    case 5:  // the unused bits of the last character: another text for the same signature
      let last = alphabet.firstIndex(of: bytes[bytes.count - 1]) ?? 0
      bytes[bytes.count - 1] = alphabet[last ^ (1 << seed.below(6))]
    case 6:
      let other = seed.below(bytes.count)
      bytes.swapAt(place, other)
    default: return try changedInside(token, seed)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A bit of what a part decodes to, encoded again as it should be: only the signature tells.
  private static func changedInside(_ token: String, _ seed: TestSeed) throws -> String {
    var parts = token.split(separator: ".").map(String.init)
    let part = seed.below(3)
    guard var inside = Base64.url.decode(parts[part]), !inside.isEmpty else { return token + "." }
    inside[seed.below(inside.count)] ^= 1 << UInt8(seed.below(8))
    parts[part] = Base64.url.encode(inside)
    return parts.joined(separator: ".")
  }
}
