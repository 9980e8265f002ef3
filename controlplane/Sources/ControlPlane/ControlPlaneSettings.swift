public import Configuration
internal import Core
internal import Telemetry

/// The program's configuration table.
public enum ControlPlaneSettings {
  static let databaseURL = Setting(
    "CP_DATABASE_URL", .connection,
    doc: "PostgreSQL: a URI (postgresql://user:password@host/database?sslmode=verify-full) or keywords", isSecret: true)
  static let databaseConnections = Setting(
    "CP_DATABASE_CONNECTIONS", .integer(2...200), default: 16, doc: "Connections to PostgreSQL of this process")
  static let masterKey = Setting<String?>.optional(
    "CP_MASTER_KEY", .string,
    doc: "Encrypts keys at rest: 32 random bytes as base64 or hexadecimal (openssl rand -base64 32)", isSecret: true)
  static let masterKeyFile = Setting<String?>.optional(
    "CP_MASTER_KEY_FILE", .path, doc: "Instead of CP_MASTER_KEY: a file with it, readable by its owner only")
  static let roles = Setting(
    "CP_ROLES", .list, default: ["admin", "ingester", "query", "console"],
    doc: "What this process is; --roles beats it")
  static let adminAddress = address("ADMIN", 8000)
  static let ingesterAddress = address("INGESTER", 8020)
  static let queryAddress = address("QUERY", 8030)
  static let consoleAddress = address("CONSOLE", 4200)
  static let addressesFile = Setting<String?>.optional(
    "CP_ADDRESSES_FILE", .path, doc: "Where to write the bound addresses as JSON, {\"admin\":\"127.0.0.1:8000\",…}")
  static let certificate = Setting<String?>.optional(
    "CP_TLS_CERT", .path, doc: "Certificate chain (PEM) of every listener; without it they speak plain HTTP")
  static let privateKey = Setting<String?>.optional(
    "CP_TLS_KEY", .path, doc: "Private key (PEM) of CP_TLS_CERT, readable by its owner only")
  static let allowPlain = Setting(
    "CP_ALLOW_PLAIN", .bool, default: false,
    doc: "Whether plain HTTP may leave loopback: only behind a gateway that ends TLS, inside a closed network")
  static let trustedProxies = Setting(
    "CP_TRUSTED_PROXIES", .list, default: [],
    doc: "Addresses or networks (10.0.0.0/8) of gateways whose X-Forwarded-For says who asks; nobody else's does")
  static let issuer = Setting(
    "CP_ISSUER", .string, default: "http://127.0.0.1:8000",
    doc: "Public address of the admin API; `iss` of every token, the same for all processes of the control plane")
  static let firstLogin = Setting(
    "CP_FIRST_ADMIN_LOGIN", .string, default: "admin", doc: "Login of the administrator made at the very first start")
  static let firstPassword = Setting<String?>.optional(
    "CP_FIRST_ADMIN_PASSWORD", .string,
    doc: "Password of that administrator, at least 12 characters; without it a one-time password is printed",
    isSecret: true)
  static let firstPasswordFile = Setting<String?>.optional(
    "CP_FIRST_ADMIN_PASSWORD_FILE", .path,
    doc: "Instead of CP_FIRST_ADMIN_PASSWORD: a file with it, readable by its owner only")
  static let logLevel = Setting(
    "CP_LOG_LEVEL", .logLevel, default: .info, doc: "debug, info, notice, warning or error")
  static let logFormat = Setting(
    "CP_LOG_FORMAT", .choice, default: LogFormat.json, doc: "Form of the log on standard error")
  static let loops = Setting(
    "CP_LOOPS", .integer(0...256), default: 0, doc: "Event loops (threads); 0 is one a processor")
  static let passwordThreads = Setting(
    "CP_PASSWORD_THREADS", .integer(1...64), default: 2, doc: "Threads that check passwords, 19 MiB each while they do")
  static let maxFileBytes = Setting(
    "CP_MAX_FILE_BYTES", .bytes(1...(1 << 50)), default: 1 << 30, doc: "Largest document the ingester takes")
  static let allowedTypes = Setting(
    "CP_ALLOWED_TYPES", .list, default: [],
    doc: "Content types the ingester takes, found by looking into the document; empty is all")
  static let assets = Setting(
    "CP_ASSETS_DIR", .path, default: "/usr/local/share/artstore/assets",
    doc: "The console's style sheets and scripts, gathered by tools/console-assets")
  static let otlpEndpoint = Setting<String?>.optional(
    "CP_OTLP_ENDPOINT", .httpAddress,
    doc: "Collector of traces, OTLP over HTTP in JSON (http://collector:4318/v1/traces); without it none are sent")
  static let tracePercent = Setting(
    "CP_TRACE_PERCENT", .integer(0...100), default: 1, unit: "%",
    doc: "Share of requests without a trace of their own that begin a sampled one, if traces are sent")
  static let drainSeconds = Setting(
    "CP_DRAIN_SECONDS", .integer(1...600), default: 30, unit: "seconds",
    doc: "How long requests in progress may take after SIGTERM")

  public static let table = ConfigurationTable(
    prefix: "CP_",
    [
      databaseURL, databaseConnections, masterKey, masterKeyFile, roles, adminAddress, ingesterAddress, queryAddress,
      consoleAddress, addressesFile, certificate, privateKey, allowPlain,
      trustedProxies, issuer, firstLogin, firstPassword,
      firstPasswordFile, logLevel, logFormat, loops, passwordThreads, maxFileBytes, allowedTypes, assets,
      otlpEndpoint, tracePercent, drainSeconds,
    ])

  private static func address(_ role: String, _ port: UInt16) -> Setting<NetworkAddress> {
    Setting(
      "CP_\(role)_ADDRESS", .address, default: NetworkAddress(host: "127.0.0.1", port: port),
      doc: "Where the role \(role.lowercased()) listens; port 0 takes any free one")
  }

  static func address(of role: Role) -> Setting<NetworkAddress> {
    switch role {
    case .admin: adminAddress
    case .ingester: ingesterAddress
    case .query: queryAddress
    case .console: consoleAddress
    }
  }
}

extension SettingKind where Value == LogLevel {
  static var logLevel: SettingKind {
    SettingKind("a log level") { text in
      guard let level = LogLevel(text) else {
        return .failure(SettingProblem("must be debug, info, notice, warning or error"))
      }
      return .success(level)
    } describe: {
      $0.name
    }
  }
}

extension SettingKind where Value == String {
  /// A connection string; empty would make libpq guess.
  static var connection: SettingKind {
    SettingKind("a PostgreSQL connection string") { text in
      text.isEmpty ? .failure(SettingProblem("must not be empty: name the database")) : .success(text)
    } describe: {
      $0
    }
  }
}

extension SettingKind where Value == String {
  static var httpAddress: SettingKind {
    SettingKind("an http or https address") { text in
      text.hasPrefix("http://") || text.hasPrefix("https://")
        ? .success(text) : .failure(SettingProblem("must begin with http:// or https://"))
    } describe: {
      $0
    }
  }
}
