/// Who may do what in the control plane, and the record of what was done.
///
/// - `MasterKey` encrypts at rest what the database must not give away by itself.
/// - `SigningKeys` makes, publishes and rotates the RS256 keys; `AccessTokens` signs with them.
/// - `ServiceAccounts` are programs (OAuth 2.0 client credentials), `Administrators` are people.
/// - `Revocations` says which tokens ended early; `TokenAuthorizer` asks it at every request.
/// - `Audit` is the hash-chained record of every security-relevant act.
///
/// `IdentityService` ties them together. Tables and numbered migrations: `IdentityMigrations`.
public enum Identity {
  /// The audience of every token for the central roles. Appliances accept only `storage:<storage_id>`.
  public static let audience = "artstore"
}
