internal import ApplianceServer
internal import Configuration
internal import Core
internal import Crypto
internal import Disk
internal import JWT

/// Files instead of claiming: certificate, key, client CA and key set of the owner's own making. All four or none.
struct OwnFiles: Sendable {
  let identity: ApplianceIdentity
  let clientCA: String
  let keys: JSONWebKeySet
  /// Of all four files' contents.
  let fingerprint: Checksum

  /// Nil when the appliance is to be claimed. Errors name the key whose file is wrong.
  static func load(_ context: CommandContext) throws -> OwnFiles? {
    let settings = [Settings.certificate, Settings.privateKey, Settings.clientCA, Settings.keysFile]
    let paths = settings.map { context.values[$0] }
    if paths.allSatisfy({ $0 == nil }) { return nil }
    var texts: [String] = []
    for (setting, path) in zip(settings, paths) {
      guard let path else {
        throw CommandFailure.configuration(
          "\(setting.key) is missing: SE_TLS_CERT, SE_TLS_KEY, SE_CLIENT_CA and SE_JWKS_FILE go together")
      }
      guard let bytes = try context.disk.contents(path, limit: 1 << 20) else {
        throw CommandFailure.configuration("\(setting.key): there is no file \(path)")
      }
      texts.append(String(decoding: bytes, as: UTF8.self))
    }
    func named<R>(_ setting: Setting<String?>, _ body: () throws -> R) throws -> R {
      do { return try body() } catch { throw CommandFailure.configuration("\(setting.key): \(error)") }
    }
    let key = try named(Settings.privateKey) { try PrivateKey(pem: texts[1]) }
    let identity = try named(Settings.certificate) { try ApplianceIdentity(key: key, chain: texts[0]) }
    _ = try named(Settings.clientCA) { try Certificate.chain(pem: texts[2]) }
    let keys: JSONWebKeySet
    do { keys = try JSON.decode(JSONWebKeySet.self, from: texts[3].utf8) } catch {
      throw CommandFailure.configuration("SE_JWKS_FILE: \(JSON.explain(error))")
    }
    let fingerprint = SHA256.digest(texts.flatMap { Array($0.utf8) + [0] })
    return OwnFiles(identity: identity, clientCA: texts[2], keys: keys, fingerprint: fingerprint)
  }
}
