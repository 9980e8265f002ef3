internal import Core
internal import JWT

/// Administrators, service accounts and the audit, as the pages need them. `ConsoleServices` puts Identity behind it;
/// tests put a fake. Every error that has a message for a person is an `APIError`.
protocol ConsoleIdentity: Sendable {
  /// Checks login, password and second factor. Wrong: `UNAUTHORIZED`, with `details.second_factor_required` where only
  /// the code is missing; locked: `ACCOUNT_LOCKED`.
  func signIn(_ credentials: Credentials, remote: String, trace: String) async throws -> SignedIn
  /// The administrator's present role; nil once the account is gone or suspended, which ends its sessions.
  func currentRole(of administratorID: String) async throws -> AdminRole?
  func signedOut(_ actor: Person) async throws
  func changePassword(current: String, new: String, actor: Person) async throws

  func hasSecondFactor(_ actor: Person) async throws -> Bool
  /// Makes a secret, which counts once a code of it was confirmed.
  func offerSecondFactor(to actor: Person) async throws -> FactorOffer
  /// Answers the recovery codes, which are seen only now.
  func confirmSecondFactor(code: String, actor: Person) async throws -> [String]
  func removeSecondFactor(code: String, actor: Person) async throws

  func administrators() async throws -> [Administrator]
  /// Answers the one-time password.
  func createAdministrator(login: String, role: AdminRole, actor: Person) async throws -> IssuedSecret
  func setAdministrator(_ id: String, suspended: Bool, actor: Person) async throws
  func unlockAdministrator(_ id: String, actor: Person) async throws
  func resetPassword(_ id: String, actor: Person) async throws -> IssuedSecret

  func serviceAccounts() async throws -> [ServiceAccount]
  func createServiceAccount(_ draft: ServiceAccountForm, actor: Person) async throws -> IssuedSecret
  func rotateSecret(_ id: String, actor: Person) async throws -> IssuedSecret
  func setServiceAccount(_ id: String, suspended: Bool, actor: Person) async throws

  func audit(_ filter: AuditQuery, cursor: String?, limit: Int) async throws -> Slice<AuditLine>
}

struct Credentials: Sendable {
  var login: String
  var password: String
  /// Six digits of the second factor, if the account has one.
  var code: String?
}

struct SignedIn: Sendable {
  var id: String
  var login: String
  var role: AdminRole
  /// The password was a one-time one: nothing works until it is changed.
  var mustChangePassword: Bool
}

struct Administrator: Sendable {
  var id: String
  var login: String
  var role: AdminRole
  var isSuspended: Bool
  /// Set while five wrong passwords keep the account locked.
  var lockedUntil: Timestamp?
  var hasSecondFactor: Bool
  var lastSignInAt: Timestamp?
  var createdAt: Timestamp
}

struct ServiceAccount: Sendable {
  var id: String
  /// `sa_<name>_<random>`.
  var clientID: String
  var name: String
  var description: String
  var scopes: [String]
  var isSuspended: Bool
  /// Nil: never.
  var secretExpiresAt: Timestamp?
  var lastUsedAt: Timestamp?
  var createdAt: Timestamp
}

struct ServiceAccountForm: Sendable {
  var name: String
  var description: String
  var scopes: [String]
  /// 0 means never.
  var secretDays: Int
}

/// A secret that is shown once and kept nowhere in the clear.
struct IssuedSecret: Sendable {
  /// The login or client id it belongs to.
  var owner: String
  var secret: String
}

struct AuditQuery: Sendable {
  var actor: String?
  var action: String?
  var result: AuditOutcome?
}

/// How an act ended: done, forbidden by the rules, or allowed and gone wrong.
enum AuditOutcome: String, CaseIterable, Sendable {
  case ok, refused, failed
}

struct AuditLine: Sendable {
  var at: Timestamp
  var actor: String
  var action: String
  var target: String
  var remote: String
  var result: AuditOutcome
  var details: String
}

/// What is shown while a second factor is set up.
struct FactorOffer: Sendable {
  /// To be typed into an app.
  var secret: String
  /// The side of the QR code in modules, and its dark ones as an SVG path.
  var size: Int
  var path: String
}
