public import Core

/// Signs certificates for a fleet. It decides names and usage itself; a request only brings the key.
public struct CertificateAuthority: Sendable {
  public let certificate: Certificate
  public let key: PrivateKey

  /// Throws when the key is not the certificate's, or the certificate may not sign.
  public init(certificate: Certificate, key: PrivateKey) throws(CryptoError) {
    guard certificate.spki == key.publicKey.spki else {
      throw CryptoError("opening a certificate authority", reason: "the key does not belong to the certificate")
    }
    guard certificate.isAuthority else {
      throw CryptoError("opening a certificate authority", reason: "its certificate does not allow it to sign")
    }
    self.certificate = certificate
    self.key = key
  }

  /// A new authority with a fresh P-256 key.
  public static func create(
    name: String, validity: Duration, time: any TimeSource, random: any RandomSource
  ) throws(CryptoError) -> CertificateAuthority {
    let key = try PrivateKey.p256()
    let builder = CertificateBuilder(subject: name, key: key.publicKey, validity: validity, isAuthority: true)
    let certificate = try builder.sign(issuer: nil, issuerKey: key, time: time, random: random)
    return try CertificateAuthority(certificate: certificate, key: key)
  }

  /// A certificate for `key` with exactly this identity, usage and these host names or addresses.
  public func issue(
    to key: PublicKey, identity: PeerIdentity, usage: CertificateUsage, hosts: [String] = [], validity: Duration,
    time: any TimeSource, random: any RandomSource
  ) throws(CryptoError) -> Certificate {
    let builder = CertificateBuilder(
      subject: identity.name, key: key, validity: validity, identity: identity, usage: usage, hosts: hosts)
    return try builder.sign(issuer: certificate, issuerKey: self.key, time: time, random: random)
  }
}
