internal import Configuration
internal import Core
internal import Crypto
internal import Fleet
internal import Identity
internal import Postgres
internal import Reactor
internal import Telemetry

extension Program {
  /// `fleet backup`, `fleet restore`, `fleet rotate-key`. Throws `CommandError`, `FleetKeyring.Refusal`.
  static func fleetKeys(_ command: Command, _ values: ConfigurationValues) async throws {
    let foundations = try Foundations(values, logger: logger(values), loops: try loops(values))
    try await withTaskExecutorPreference(foundations.loops.next()) {
      // A restore comes into an empty database: it is made ready as a start would.
      try await Migrator(pool: foundations.pool, migrations: Schema.migrations, logger: foundations.logger).run()
      let keyring = FleetKeyring(
        pool: foundations.pool, masterKey: foundations.masterKey, audit: foundations.identity.audit,
        time: foundations.time, random: foundations.random)
      switch command {
      case .fleetBackup(let file, let keyFile):
        let text = try await keyring.backup(sealedBy: try backupKey(keyFile))
        try SmallFile.write(Array(text.utf8), to: file, for: "fleet backup", isSecret: true)
        say("the fleet's keys are in \(file); without \(keyFile) nobody can open it: keep both, apart\n")
      case .fleetRestore(let file, let keyFile):
        let text = try SmallFile.read(file, for: "fleet restore")
        let count = try await keyring.restore(text, sealedBy: try backupKey(keyFile))
        say(
          count == 0 ? "nothing to do: these keys are in place\n" : "\(count) keys restored; start the control plane\n")
      case .fleetRotateKey(let name):
        let ours: [PeerRole] = [.admin, .ingester, .query, .console]
        guard let role = ours.first(where: { $0.rawValue == name }) else {
          throw CommandError(
            "fleet rotate-key: one of \(ours.map(\.rawValue).joined(separator: ", ")) is needed", exitCode: .usage)
        }
        try await keyring.rotate(role)
        say("the role \(name) has a new key; restart every process of the control plane now\n")
      default: throw CommandError("no command about the fleet's keys", exitCode: .software)
      }
    }
  }

  private static func backupKey(_ path: String) throws -> MasterKey {
    let text = try SmallFile.read(path, for: "--key-file", isSecret: true)
    do throws(MasterKeyError) { return try MasterKey(text: text) } catch {
      throw CommandError("--key-file: \(path): \(error)", exitCode: .configuration)
    }
  }
}
