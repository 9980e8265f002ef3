internal import Configuration
internal import Core
internal import Fleet
internal import Glibc
internal import HTTPServer
internal import Identity
internal import Postgres
internal import Reactor
internal import Service
internal import Telemetry

/// The program `artstore-controlplane`.
public enum Program {
  /// Runs the program and ends the process. To be called on the main thread before any other one starts: threads
  /// inherit the mask that a serving process puts on its signals.
  public static func start(arguments: [String], environment: [String: String]) -> Never {
    let line = try? CommandLine.parse(arguments)  // what is wrong with the arguments is said by `run`
    let signals = line?.command == .serve ? ProcessSignals() : nil
    MainThread.run { await run(arguments: arguments, environment: environment, signals: signals) }
  }

  /// Does what the command line asks. Returns the exit status; says on standard error what went wrong.
  /// - Parameters:
  ///   - arguments: without the program's name.
  ///   - environment: where `CP_…` settings come from.
  ///   - signals: for `serve`.
  static func run(
    arguments: [String], environment: [String: String], signals: ProcessSignals?
  ) async -> Int32 {
    do {
      let line = try CommandLine.parse(arguments)
      switch line.command {
      case .help: say(CommandLine.help)
      case .version: say("artstore-controlplane \(Product.version)\n")
      case .printConfiguration:
        let values = try? load(line, environment)  // without them the table shows its defaults
        say(ControlPlaneSettings.table.describe(values) + "\n")
      case .auditVerify(let json, let isOffline):
        return try await verifyAudit(try load(line, environment), json: json, isOffline: isOffline)
      case .fleetBackup, .fleetRestore, .fleetRotateKey: try await fleetKeys(line.command, try load(line, environment))
      case .serve:
        try await serve(try load(line, environment), roles: line.roles, signals: signals ?? ProcessSignals())
      }
      return 0
    } catch let error as CommandError {
      complain("artstore-controlplane: \(error)")
      return error.exitCode.rawValue
    } catch let error as PostgresError where error.isAbsence {
      complain("artstore-controlplane: CP_DATABASE_URL: \(error)")
      return CommandError.ExitCode.unavailable.rawValue
    } catch let error as FleetKeyring.Refusal {
      complain("artstore-controlplane: \(error)")
      return CommandError.ExitCode.damageFound.rawValue
    } catch let error as MasterKeyError {
      complain("artstore-controlplane: CP_MASTER_KEY: \(error)")
      return CommandError.ExitCode.configuration.rawValue
    } catch {
      complain("artstore-controlplane: \(error)")
      return CommandError.ExitCode.software.rawValue
    }
  }

  private static func load(
    _ line: CommandLine, _ environment: [String: String]
  ) throws(CommandError) -> ConfigurationValues {
    let file: (name: String, text: String)? =
      if let path = line.configurationFile { (path, try SmallFile.read(path, for: "--config")) } else { nil }
    do throws(ConfigurationError) {
      return try ControlPlaneSettings.table.load(environment: environment, file: file)
    } catch {
      throw CommandError("\(error)", exitCode: .configuration)
    }
  }

  static func logger(_ values: ConfigurationValues) -> Logger {
    Logger(
      label: "controlplane", level: values[ControlPlaneSettings.logLevel],
      format: values[ControlPlaneSettings.logFormat], sink: DescriptorSink.standardError())
  }

  static func loops(_ values: ConfigurationValues) throws -> EventLoopGroup {
    let configured = values[ControlPlaneSettings.loops]
    return try EventLoopGroup(loops: configured > 0 ? configured : max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))))
  }

  private static func serve(
    _ values: ConfigurationValues, roles named: [String]?, signals: ProcessSignals
  ) async throws {
    let roles = try Role.parse(named ?? values[ControlPlaneSettings.roles])
    let logger = logger(values)
    let foundations = try Foundations(values, logger: logger, loops: try loops(values))
    let tls = try ListenerTLS(values)
    if values[ControlPlaneSettings.allowPlain], values[ControlPlaneSettings.trustedProxies].isEmpty {
      logger.warning(
        "CP_ALLOW_PLAIN is for a gateway, and CP_TRUSTED_PROXIES names none: all clients behind one share its budget "
          + "of login and token attempts, and its address in the audit")
    }
    let addresses = try Role.allCases.filter(roles.contains).map { role in
      (role, try Listeners.address(of: role, values, hasTLS: tls != nil))
    }
    try await withTaskExecutorPreference(foundations.loops.next()) {
      try await foundations.prepare(migrations: Schema.migrations)
      try await announceFirstAdministrator(foundations)
      let assembly = try await Assembly.make(foundations, roles: roles)
      let metrics = HTTPServerMetrics(foundations.metrics, prefix: "cp_")
      var servers: [HTTPServer] = []
      var bound: [(Role, SocketAddress)] = []
      for (role, address) in addresses {
        let configuration = HTTPServerConfiguration(
          name: role.rawValue, address: address, tls: tls?.context, trustedProxies: foundations.proxies)
        let server = HTTPServer(
          configuration, router: assembly.router(of: role), loops: foundations.loops, logger: logger, metrics: metrics,
          time: foundations.time, random: foundations.random, spans: foundations.spans,
          sampledPercent: foundations.sampledPercent)
        do throws(ReactorError) {
          bound.append((role, try server.bind()))
        } catch {
          throw CommandError(
            "\(ControlPlaneSettings.address(of: role).key): cannot listen on \(address): \(error)",
            exitCode: .unavailable)
        }
        servers.append(server)
      }
      if let path = values[ControlPlaneSettings.addressesFile] { try Listeners.publish(bound, to: path) }
      let services: [any Service] = [foundations.pool, foundations.client] + assembly.tasks + servers
      let grace = Duration.seconds(values[ControlPlaneSettings.drainSeconds])
      try await ServiceGroup(services, logger: logger, gracePeriod: grace) {
        do { try tls?.reload() } catch { logger.error("the certificate was not reloaded", ["error": .error(error)]) }
      }.run(signals: signals)
    }
  }

  /// The one-time password goes to standard error once, for the operator at the terminal, never into the log.
  private static func announceFirstAdministrator(_ foundations: Foundations) async throws {
    let login = foundations.values[ControlPlaneSettings.firstLogin]
    let made: AdministratorWithPassword?
    do {
      made = try await foundations.identity.createFirstAdministrator(
        login: login, password: try foundations.firstPassword())
    } catch let error as CommandError {
      throw error
    } catch {
      throw CommandError("CP_FIRST_ADMIN_LOGIN, CP_FIRST_ADMIN_PASSWORD: \(error)", exitCode: .configuration)
    }
    guard let made else { return }
    foundations.logger.notice("the first administrator was made", ["login": .string(made.administrator.login)])
    guard let password = made.oneTimePassword else { return }
    let line = JSONWriter.document { json in
      json.object { json in
        json.member("event", "first_administrator")
        json.member("login", made.administrator.login)
        json.member("one_time_password", password)
      }
    }
    complain(String(decoding: line, as: UTF8.self))
  }

  static func say(_ text: String) { put(text, STDOUT_FILENO) }

  private static func complain(_ text: String) { put(text + "\n", STDERR_FILENO) }

  private static func put(_ text: String, _ descriptor: CInt) {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno != EINTR { return }
      sent += max(0, count)
    }
  }
}
