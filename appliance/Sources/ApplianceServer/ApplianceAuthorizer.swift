internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI

/// Who may pass on the API listener: until the appliance is claimed nobody but a claim and a probe; afterwards only
/// callers with a client certificate of the fleet that is not revoked, plus a token where the route wants a scope.
struct ApplianceAuthorizer: Authorizer {
  let onboarding: Onboarding

  func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
    switch access {
    case .open: return .nobody
    case .proof: return .nobody
    case .certificate(let roles):
      if let pinned = pinnedAdministrator(request), roles.contains(.admin) { return pinned }
      let peer = try peer(of: request)
      guard roles.contains(peer.role) else {
        throw APIError(.forbidden, "a certificate of the role \(peer.role.rawValue) may not do this")
      }
      return Principal(subject: peer.uri, peer: peer)
    case .scope, .anyToken:
      let peer = try peer(of: request)
      if peer.role == .client { return try localClient(peer, request, access) }
      guard let authorizer = onboarding.trust.authorizer else { throw Self.notClaimed }
      return try await authorizer.authorize(request, for: access)
    case .session:
      throw APIError(.forbidden, "an appliance has no sessions")
    }
  }

  /// What the administrator's pinned key may do whatever the dates in its certificate say (DESIGN §4.7): see how the
  /// appliance stands, and mend its clock, trust and certificate.
  private static let pastDates: Set<String> = [
    AppliancePaths.info, AppliancePaths.trust, AppliancePaths.identity, AppliancePaths.time,
  ]

  /// TLS shows such a key without an identity.
  private func pinnedAdministrator(_ request: Request) -> Principal? {
    guard onboarding.isClaimed, request.peer == nil, let key = request.peerSPKI, key == onboarding.trust.adminSPKI,
      !onboarding.trust.isRevoked(key), Self.pastDates.contains(request.path)
    else { return nil }
    return Principal(subject: "the administrator's pinned key")
  }

  /// A client of the site, by its certificate alone. A token beside it counts for nothing: client tokens never reach an
  /// appliance.
  private func localClient(_ peer: PeerIdentity, _ request: Request, _ access: Access) throws(APIError) -> Principal {
    let scopes = request.peerSPKI.map { onboarding.trust.localScopes(of: peer, spki: $0) } ?? []
    guard !scopes.isEmpty else {
      throw APIError(
        .forbidden,
        "this client may not work here by its certificate: it is not among the site's local clients, "
          + "or its time has ended; an administrator renews it at the control plane")
    }
    if case .scope(let wanted) = access, !scopes.contains(wanted) {
      throw APIError(.forbidden, "this needs the scope \(wanted.rawValue), which this local client does not have")
    }
    return Principal(subject: peer.uri, scopes: scopes, peer: peer)
  }

  private func peer(of request: Request) throws(APIError) -> PeerIdentity {
    guard onboarding.isClaimed else { throw Self.notClaimed }
    // TLS resumption and the time between claim and first contact both let a connection in without a certificate.
    guard let peer = request.peer, let key = request.peerSPKI else {
      throw APIError(.forbidden, "this needs a client certificate of the fleet; connect with one")
    }
    guard !onboarding.trust.isRevoked(key) else { throw APIError(.forbidden, "this client certificate is revoked") }
    try onboarding.noteMutualContact()
    return peer
  }

  static var notClaimed: APIError {
    APIError(
      .forbidden, "this appliance is not claimed yet; an administrator claims it with the code printed on its host")
  }
}
