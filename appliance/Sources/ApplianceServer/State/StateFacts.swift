public import Core
internal import Crypto

/// `state/addresses.json`: where the daemon listens, for tests, the run driver and `status`.
public struct ListenAddresses: Sendable, Codable {
  public var pid: Int32
  public var api: String
  public var probe: String
  public var startedAt: Timestamp

  enum CodingKeys: String, CodingKey {
    case pid, api, probe
    case startedAt = "started_at"
  }

  public init(pid: Int32, api: String, probe: String, startedAt: Timestamp) {
    self.pid = pid
    self.api = api
    self.probe = probe
    self.startedAt = startedAt
  }

  static let name = "addresses.json"
}

/// What the front needs of the store's `state/store.json`.
private struct StoreFile: Decodable {
  let storageID: FileID

  enum CodingKeys: String, CodingKey { case storageID = "storage_id" }
}

private struct ModeFile: Decodable { let mode: String }

/// One line of `status`.
public struct StateFact: Sendable {
  /// The JSON member.
  public let key: String
  /// The words for people.
  public let name: String
  public let value: String
}

extension StateDirectory {
  /// The store's own file names the appliance; nil before there is one.
  public var storageID: FileID? {
    get throws(StateError) { try readJSON(StoreFile.self, "store.json")?.storageID }
  }

  public var addresses: ListenAddresses? {
    get throws(StateError) { try readJSON(ListenAddresses.self, ListenAddresses.name) }
  }

  public func publish(_ addresses: ListenAddresses) throws(StateError) {
    try write(ListenAddresses.name, json: addresses)
  }

  public func withdrawAddresses() throws(StateError) { try remove(ListenAddresses.name) }

  /// What `status` shows of identity, claim and trust.
  public var facts: [StateFact] {
    get throws {
      var facts: [StateFact] = []
      if let id = try storageID { facts.append(StateFact(key: "storage_id", name: "storage id", value: "\(id)")) }
      if let file = try readJSON(ModeFile.self, "mode.json") {
        facts.append(StateFact(key: "mode", name: "mode", value: file.mode))
      }
      if let claim = try readJSON(ClaimFile.self, ClaimFile.name) {
        facts.append(StateFact(key: "claim", name: "claim", value: claim.phase.rawValue))
        if claim.phase == .offered, let end = claim.expiresAt {
          facts.append(StateFact(key: "claim_code_expires_at", name: "claim code valid until", value: "\(end)"))
        }
      }
      if let pem = try readText(ApplianceIdentity.certificateName) {
        let end = try Certificate(pem: pem).notAfter
        facts.append(StateFact(key: "certificate_expires_at", name: "certificate valid until", value: "\(end)"))
      }
      return facts
    }
  }
}
