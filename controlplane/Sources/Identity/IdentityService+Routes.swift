public import HTTPServer
internal import JWT

extension IdentityService {
  /// The admin API's share of this module: `/auth`, `/admin-users`, `/service-accounts`, `/keys`, `/audit`, `/settings`.
  public var routes: [Route] {
    TokenEndpoint(identity: self).routes + SessionRoutes(identity: self).routes + AccountRoutes(identity: self).routes
      + KeyAndAuditRoutes(identity: self).routes
  }
}

extension AdminRole {
  /// What tokens of the role carry.
  var scopes: Set<Scope> { Set(Scope.allCases.filter(allows)) }
}
