import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import StorageAPI
import TestKit
import Testing

/// Every route of the API listener, tried without a token, with each wrong scope, as each role, without a certificate.
@Suite struct AccessTests {
  private func concrete(_ path: String) -> String {
    path.replacing("{file_id}", with: FileID(high: 5, low: 6).description)
      .replacing("{run_id}", with: FileID(high: 7, low: 8).description)
  }

  private func isRefused(_ answer: Answer) -> Bool { answer.status == 401 || answer.status == 403 }

  @Test func everyScopedRouteWantsItsOwnScope() async throws {
    let target = try TestAppliance()
    var tried = 0
    for route in target.appliance.api.routes {
      guard case .scope(let wanted) = route.access else { continue }
      let path = concrete(route.path)
      let name = "\(route.method.rawValue) \(route.path)"
      // The only one that also asks who brings the token.
      let peer: PeerRole = route.path == AppliancePaths.journalSeal ? .admin : .ingester
      let bare = try await target.call(route.method, path, peer: peer, scopes: nil)
      #expect(bare.status == 401, "\(name)")
      #expect(bare.headers["WWW-Authenticate"] == "Bearer", "\(name)")
      for scope in Scope.allCases {
        let answer = try await target.call(route.method, path, peer: peer, scopes: [scope])
        #expect(isRefused(answer) == (scope != wanted), "\(name) with \(scope.rawValue): \(answer.status)")
      }
      let all = try target.token(Set(Scope.allCases).subtracting([wanted]))
      #expect(try await target.call(route.method, path, peer: peer, token: all).status == 403, "\(name)")
      let admin = try await target.call(route.method, path, peer: peer, token: try target.token([], role: .admin))
      #expect(!isRefused(admin), "\(name) as admin: \(admin.status)")
      let reader = try await target.call(route.method, path, peer: peer, token: try target.token([], role: .readonly))
      #expect(isRefused(reader) == !wanted.isRead, "\(name) as readonly: \(reader.status)")
      tried += 1
    }
    #expect(tried >= 10)
  }

  @Test func everyRouteButProofsAndProbesWantsACertificate() async throws {
    let target = try TestAppliance()
    for route in target.appliance.api.routes {
      let answer = try await target.call(route.method, concrete(route.path), peer: nil)
      switch route.access {
      case .open: #expect(!isRefused(answer), "\(route.path)")
      case .proof: #expect(answer.status == 403, "\(route.path): no TLS, no exporter")
      default: #expect(isRefused(answer), "\(route.path): \(answer.status)")
      }
    }
  }

  @Test func certificateRoutesTakeTheirRolesOnly() async throws {
    let target = try TestAppliance()
    for route in target.appliance.api.routes {
      guard case .certificate(let roles) = route.access else { continue }
      for role in PeerRole.allCases {
        let answer = try await target.call(route.method, route.path, peer: role, scopes: nil)
        #expect((answer.status == 403) == !roles.contains(role), "\(route.path) as \(role): \(answer.status)")
      }
    }
  }

  @Test func tokensPassOnlyBesideACentralRolesCertificate() async throws {
    let target = try TestAppliance()
    for role in PeerRole.allCases {
      let answer = try await target.call(.get, "/api/v1/files", peer: role)
      let isCentral = [PeerRole.admin, .ingester, .query, .console].contains(role)
      #expect((answer.status == 200) == isCentral, "\(role): \(answer.status)")
    }
  }

  @Test func aClientsOwnTokenIsRefusedEvenWithACertificate() async throws {
    let target = try TestAppliance()
    for audience in ["artstore", "storage:\(FileID(high: 1, low: 1))", "storage:", ""] {
      let token = try target.token(Set(Scope.allCases), audience: audience)
      #expect(try await target.call(.get, "/api/v1/files", token: token).status == 401, "\(audience)")
    }
    #expect(try await target.call(.get, "/api/v1/files", token: "nonsense").status == 401)
    target.time.advance(by: .seconds(3600))
    target.time.jump(to: Timestamp(seconds: 1_795_185_012 + 7200))
    let old = try target.token([.filesRead])
    #expect(try await target.call(.get, "/api/v1/files", token: old).status == 401, "expired")
  }

  @Test func theProbeListenerServesProbesOnly() async throws {
    let target = try TestAppliance()
    let paths = Set(target.appliance.probe.routes.map(\.path))
    #expect(paths == ["/health/live", "/health/ready", "/metrics", "/version"])
    for route in target.appliance.probe.routes {
      guard case .open = route.access else {
        Issue.record("\(route.path) is not open")
        continue
      }
    }
  }
}
