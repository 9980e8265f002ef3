public import Core

/// What a TLS listener shows and asks for.
public struct TLSServerConfiguration: Sendable {
  /// Whether a client must show a certificate.
  public enum ClientCertificate: Sendable, Hashable {
    /// Not asked for.
    case none
    /// Asked for and verified when given; the handshake goes on without one.
    case optional
    /// Without a verified one the handshake fails.
    case required
  }

  /// PEM: the server's certificate first, then its issuers.
  public var certificateChain: String
  /// PEM, not encrypted.
  public var privateKey: String
  /// PEM: the authorities whose client certificates are accepted; needed unless `clientCertificate` is `none`.
  public var clientAuthorities: String?
  public var clientCertificate: ClientCertificate
  /// SHA-256 of the one client key (SPKI) that is let in although its certificate's dates do not fit this machine's
  /// clock: so that somebody can set it right. Everything else about the certificate must be good.
  public var clientKeyPastDates: Checksum?
  /// SHA-256 of client keys (SPKI) whose certificates are refused in the handshake.
  public var revokedClientKeys: [Checksum]

  public init(
    certificateChain: String, privateKey: String, clientAuthorities: String? = nil,
    clientCertificate: ClientCertificate = .none, clientKeyPastDates: Checksum? = nil,
    revokedClientKeys: [Checksum] = []
  ) {
    self.certificateChain = certificateChain
    self.privateKey = privateKey
    self.clientAuthorities = clientAuthorities
    self.clientCertificate = clientCertificate
    self.clientKeyPastDates = clientKeyPastDates
    self.revokedClientKeys = revokedClientKeys
  }
}

/// A TLS set-up or connection that failed: what was attempted and OpenSSL's reason. Never holds key material.
public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
  public let operation: String
  public let reason: String

  public init(_ operation: String, reason: String) {
    self.operation = operation
    self.reason = reason
  }

  public var description: String { "\(operation): \(reason)" }
}
