public import Core
public import Crypto
internal import StorageAPI

/// The appliance's key and the certificate it shows. The key is made once and never leaves the host.
public struct ApplianceIdentity: Sendable {
  public let key: PrivateKey
  /// PEM: the leaf first.
  public let chain: String
  public let certificate: Certificate

  public init(key: PrivateKey, chain: String) throws(CryptoError) {
    certificate = try Certificate(pem: chain)
    guard certificate.spki == key.publicKey.spki else {
      throw CryptoError("opening the identity", reason: "the certificate is not for the appliance's key")
    }
    self.key = key
    self.chain = chain
  }

  static let keyName = "identity/key.pem"
  static let certificateName = "identity/certificate.pem"
  /// The self-signed certificate has to outlive the time until somebody claims the appliance.
  static let selfSignedValidity = Duration.seconds(10 * 365 * 86_400)

  /// Loads the identity, or makes key and self-signed certificate on the first start.
  public static func open(
    _ state: StateDirectory, storageID: FileID, time: any TimeSource, random: any RandomSource
  ) throws -> ApplianceIdentity {
    if let key = try state.readText(keyName) {
      guard let chain = try state.readText(certificateName) else {
        return try make(state, key: try PrivateKey(pem: key), storageID: storageID, time: time, random: random)
      }
      return try ApplianceIdentity(key: try PrivateKey(pem: key), chain: chain)
    }
    let key = try PrivateKey.p256()
    try state.write(keyName, Array(try key.pem.utf8))
    return try make(state, key: key, storageID: storageID, time: time, random: random)
  }

  /// Removes key and certificate: the next `open` makes new ones. For a key that was revoked.
  public static func forget(_ state: StateDirectory) throws(StateError) {
    try state.remove(keyName)
    try state.remove(certificateName)
  }

  /// Replaces the certificate shown from now on. Throws when it is for another key.
  func renewed(chain: String, in state: StateDirectory) throws -> ApplianceIdentity {
    let next = try ApplianceIdentity(key: key, chain: chain)
    try state.write(Self.certificateName, Array(chain.utf8))
    return next
  }

  private static func make(
    _ state: StateDirectory, key: PrivateKey, storageID: FileID, time: any TimeSource, random: any RandomSource
  ) throws -> ApplianceIdentity {
    guard let name = PeerIdentity(role: .appliance, name: storageID.description) else {
      preconditionFailure("a UUID is a name that the URI can carry")
    }
    let certificate = try Certificate.selfSigned(
      key: key, identity: name, hosts: ["localhost"], validity: selfSignedValidity, time: time, random: random)
    try state.write(certificateName, Array(certificate.pem.utf8))
    return try ApplianceIdentity(key: key, chain: certificate.pem)
  }
}
