public import Core
public import Crypto

/// A fleet's authority and the certificates of its members, made fresh for a test.
public struct TestFleet: Sendable {
  public let authority: CertificateAuthority
  public let time: any TimeSource
  public let random: any RandomSource

  /// Certificates of the fleet are valid around `time`.
  public init(
    name: String = "test fleet", time: any TimeSource = SystemTime(), random: any RandomSource = SystemRandom()
  ) throws {
    self.time = time
    self.random = random
    authority = try .create(name: name, validity: .seconds(3650 * 86_400), time: time, random: random)
  }

  /// The authority's certificate: what servers and clients trust.
  public var authorityPEM: String { authority.certificate.pem }

  /// A server's certificate for this machine's loopback names.
  public func server(
    _ role: PeerRole, name: String = "test", hosts: [String] = ["localhost", "127.0.0.1", "::1"],
    validity: Duration = .seconds(90 * 86_400)
  ) throws -> TestCredential {
    try issue(role, name, .server, hosts, validity)
  }

  /// A client's certificate.
  public func client(_ role: PeerRole, name: String = "test", validity: Duration = .seconds(90 * 86_400)) throws
    -> TestCredential
  {
    try issue(role, name, .client, [], validity)
  }

  private func issue(
    _ role: PeerRole, _ name: String, _ usage: CertificateUsage, _ hosts: [String], _ validity: Duration
  ) throws -> TestCredential {
    guard let identity = PeerIdentity(role: role, name: name) else { throw TestKitError("no name for a peer: \(name)") }
    let key = try PrivateKey.p256()
    let certificate = try authority.issue(
      to: key.publicKey, identity: identity, usage: usage, hosts: hosts, validity: validity, time: time, random: random)
    return TestCredential(identity: identity, certificate: certificate, key: key, keyPEM: try key.pem)
  }
}

/// A certificate with its private key.
public struct TestCredential: Sendable {
  public let identity: PeerIdentity
  public let certificate: Certificate
  public let key: PrivateKey
  public let keyPEM: String

  public var certificatePEM: String { certificate.pem }
}
