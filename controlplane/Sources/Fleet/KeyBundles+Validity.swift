internal import Core
internal import Identity
internal import JWT
internal import Postgres
internal import StorageAPI

extension KeyBundles {
  /// By version: when the last of the signing keys in a bundle stops signing. Versions that are no longer kept have
  /// none.
  func signingEnds() async throws -> [Int64: Timestamp] {
    let keys = identity.keys.status()
    let life = Duration.seconds(identity.settings.keyRotationHours * 3600)
    var ends: [String: Timestamp] = [:]
    for (place, key) in keys.enumerated() {
      ends[key.keyID] = place + 1 < keys.count ? keys[place + 1].activatesAt : key.activatesAt + life
    }
    var found: [Int64: Timestamp] = [:]
    for row in try await pool.query("SELECT version, payload FROM fleet_bundles ORDER BY version DESC LIMIT 50") {
      // Our own table; whether somebody changed it is not what is asked here.
      let bundle = try SignedMessage(payload: try row.decode(1), signature: "").unverified(KeyBundle.self)
      let known = bundle.keys.keys.compactMap { $0.kid.flatMap { ends[$0] } }
      found[try row.decode(0)] = known.max() ?? Timestamp(seconds: 0)
    }
    return found
  }
}
