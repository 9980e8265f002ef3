internal import Core

/// Whom sites trust without the control plane, and whom nobody trusts any more. `ConsoleServices` puts Fleet behind it;
/// tests put a fake.
protocol ConsoleTrust: Sendable {
  /// By name.
  func localClients() async throws -> [SiteClient]
  /// Nil when there is none with this id.
  func localClient(_ id: String) async throws -> SiteClient?
  func addLocalClient(_ form: LocalClientForm, actor: Person) async throws -> IssuedCertificate
  /// Another 45 days for the same key.
  func renewLocalClient(_ id: String, actor: Person) async throws -> IssuedCertificate
  /// Out of the key bundle, and its key revoked.
  func removeLocalClient(_ id: String, actor: Person) async throws
  /// Newest first.
  func revocations() async throws -> [Revocation]
  func revoke(_ form: RevocationForm, actor: Person) async throws
  /// The certificate of a storage element.
  func revokeElement(_ id: String, reason: String, actor: Person) async throws
  /// Registers an appliance whose certificate this fleet's CA signed, without a claim code.
  func register(_ form: ClaimForm, actor: Person) async throws -> StorageElement
}

/// A client system that may work at its sites by its certificate alone.
struct SiteClient: Sendable {
  var id: String
  var name: String
  /// The URI in its certificate.
  var identity: String
  /// SHA-256 of its public key, in hexadecimal.
  var key: String
  var scopes: [String]
  /// Names of storage elements.
  var sites: [String]
  var expiresAt: Timestamp
  var createdBy: String
}

struct LocalClientForm: Sendable {
  var name = ""
  /// PKCS #10 in PEM.
  var request = ""
  var scopes: Set<String> = ["files:read"]
  /// Ids of storage elements.
  var sites: Set<String> = []
  /// As typed.
  var days = "45"
}

/// Shown when it was signed.
struct IssuedCertificate: Sendable {
  var identity: String
  var expiresAt: Timestamp
  /// PEM: the certificate and the fleet's CA.
  var chain: String
}

/// A key whose certificates count no longer.
struct Revocation: Sendable {
  var key: String
  /// The identity in its certificate; empty when only the key was known.
  var subject: String
  var reason: String
  var revokedBy: String
  var revokedAt: Timestamp
}

struct RevocationForm: Sendable {
  var reason = ""
  /// PEM; this or the key.
  var certificate = ""
  var key = ""
}
