/// The claim protocol (DESIGN §4.7): three requests to `POST /api/v1/claim` on one TLS connection.
///
/// 1. `hello`: nonces are exchanged. Before it sends anything else the control plane compares the SPKI hash of the TLS
///    certificate with the claim code.
/// 2. `prove`: the control plane's `ClaimProof`; answered with the appliance's own proof and a CSR for its key. A wrong
///    proof is answered 403 `FORBIDDEN`, each later than the one before.
/// 3. `install`: certificate, client CA, signed key bundle, settings and the SPKI hash of the administrator's client
///    key, which stays accepted for `/info`, `/trust`, `/identity` and `/time` whatever the dates say.
///
/// The same fleet (the same trust key) may repeat all three until the first mutual-TLS contact.
public enum ClaimRequest: Sendable {
  case hello(nonce: String)
  case prove(proof: String)
  case install(ClaimInstallation)
}

extension ClaimRequest: Codable {
  enum CodingKeys: String, CodingKey { case step, nonce, proof }
  enum Step: String, Codable { case hello, prove, install }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    switch try fields.decode(Step.self, forKey: .step) {
    case .hello: self = .hello(nonce: try fields.decode(String.self, forKey: .nonce))
    case .prove: self = .prove(proof: try fields.decode(String.self, forKey: .proof))
    case .install: self = .install(try ClaimInstallation(from: decoder))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .hello(let nonce):
      try fields.encode(Step.hello, forKey: .step)
      try fields.encode(nonce, forKey: .nonce)
    case .prove(let proof):
      try fields.encode(Step.prove, forKey: .step)
      try fields.encode(proof, forKey: .proof)
    case .install(let installation):
      try fields.encode(Step.install, forKey: .step)
      try installation.encode(to: encoder)
    }
  }
}

/// What the control plane leaves on an appliance it has claimed.
public struct ClaimInstallation: Sendable, Codable {
  /// The appliance's certificate and what lies between it and the fleet's CA, PEM.
  public var certificate: String
  /// The CA of those who may connect, PEM.
  public var clientCA: String
  public var keyBundle: SignedMessage
  public var settings: ApplianceSettings?
  /// SHA-256 of the administrator's client key (SPKI), hex.
  public var adminSPKI: String

  enum CodingKeys: String, CodingKey {
    case certificate, settings
    case clientCA = "client_ca"
    case keyBundle = "key_bundle"
    case adminSPKI = "admin_spki"
  }

  public init(
    certificate: String, clientCA: String, keyBundle: SignedMessage, settings: ApplianceSettings? = nil,
    adminSPKI: String
  ) {
    self.certificate = certificate
    self.clientCA = clientCA
    self.keyBundle = keyBundle
    self.settings = settings
    self.adminSPKI = adminSPKI
  }
}

/// Answer to `hello`. The nonce is 16 bytes in hex.
public struct ClaimHelloAnswer: Sendable, Codable {
  public var storageID: String
  public var version: String
  public var mode: ApplianceMode
  public var nonce: String

  enum CodingKeys: String, CodingKey {
    case version, mode, nonce
    case storageID = "storage_id"
  }

  public init(storageID: String, version: String, mode: ApplianceMode, nonce: String) {
    self.storageID = storageID
    self.version = version
    self.mode = mode
    self.nonce = nonce
  }
}

/// Answer to `prove`: the appliance's own proof (hex) and a PKCS #10 request for its key (PEM).
public struct ClaimProveAnswer: Sendable, Codable {
  public var proof: String
  public var csr: String

  public init(proof: String, csr: String) {
    self.proof = proof
    self.csr = csr
  }
}

/// Answer to `install`.
public struct ClaimInstallAnswer: Sendable, Codable {
  public var storageID: String
  /// The key bundle's version now trusted.
  public var trustVersion: Int

  enum CodingKeys: String, CodingKey {
    case storageID = "storage_id"
    case trustVersion = "trust_version"
  }

  public init(storageID: String, trustVersion: Int) {
    self.storageID = storageID
    self.trustVersion = trustVersion
  }
}
