internal import Configuration
internal import StorageAPI
internal import Telemetry

/// The appliance's configuration table: every key, its type, default and meaning.
enum Settings {
  private static let second = Duration.seconds(1)
  private static let day = Duration.seconds(86_400)
  private static let year = Duration.seconds(31_536_000)

  static let dataDirectory = Setting(
    "SE_DATA_DIR", .path, default: "/var/lib/artstore",
    doc: "Documents, attributes, staging and state: one file system. Back up this directory.")
  static let journalDirectory = Setting<String?>.optional(
    "SE_WAL_DIR", .path, doc: "Journal; a fast disk of its own helps. Without it: wal inside SE_DATA_DIR.")
  static let indexDirectory = Setting<String?>.optional(
    "SE_INDEX_DIR", .path, doc: "Derived index; may be deleted. Without it: index inside SE_DATA_DIR.")
  static let mode = Setting(
    "SE_MODE", .choice, default: ApplianceMode.edit,
    doc: "Mode of a new appliance: edit (temporary documents) or rw (permanent). One that exists keeps its mode.")
  static let apiAddress = Setting(
    "SE_API_ADDRESS", .address, default: NetworkAddress(host: "0.0.0.0", port: 8010),
    doc: "API listener, mutual TLS. Port 0: any free one, see state/addresses.json.")
  static let probeAddress = Setting(
    "SE_PROBE_ADDRESS", .address, default: NetworkAddress(host: "0.0.0.0", port: 8011),
    doc: "Probe listener for monitoring: TLS without client certificates, health and a few figures only.")
  static let capacity = Setting<Int?>.optional(
    "SE_CAPACITY_BYTES", .bytes(1 << 20...Int.max), unit: "bytes",
    doc: "Documents this appliance may hold. Without it: what the disk has.")
  static let fileBytesMax = Setting(
    "SE_MAX_FILE_BYTES", .bytes(1...1 << 44), default: 1 << 30, unit: "bytes", doc: "Largest document.")
  static let loops = Setting<Int?>.optional(
    "SE_EVENT_LOOPS", .integer(1...256), doc: "Threads that serve connections. Without it: one for each processor.")
  static let gracePeriod = Setting<Duration>(
    "SE_DRAIN_TIMEOUT", .duration(second...day), default: .seconds(30),
    doc: "How long running transfers may go on after SIGTERM.")
  static let removalGrace = Setting<Duration>(
    "SE_REMOVAL_GRACE", .duration(Duration.zero...year), default: .seconds(86_400),
    doc: "How long an expired or deleted document can still be rescued on the host.")
  static let collectInterval = Setting<Duration>(
    "SE_GC_INTERVAL", .duration(second...day), default: .seconds(300),
    doc: "How often expired and deleted documents are looked for.")
  static let scrubRate = Setting(
    "SE_SCRUB_BYTES_PER_SECOND", .bytes(1 << 16...1 << 34), default: 20 << 20, unit: "bytes each second",
    doc: "How fast documents are re-read to check them.")
  static let scrubWindow = Setting(
    "SE_SCRUB_WINDOW_DAYS", .integer(1...3650), default: 30, unit: "days",
    doc: "Documents re-read within it count as verified in se_scrub_verified_ratio.")
  static let repairGrace = Setting<Duration>(
    "SE_REPAIR_GRACE", .duration(Duration.zero...year), default: .seconds(600),
    doc: "Unknown files younger than this are left alone by reconcile.")
  static let archiveBytes = Setting<Int?>.optional(
    "SE_ARCHIVE_BYTES", .bytes(1 << 20...Int.max), unit: "bytes",
    doc: "Archived journal to keep. Without it: 5 % of the journal's disk; se_wal_history_seconds says how far that is."
  )
  static let archiveDays = Setting<Int?>.optional(
    "SE_ARCHIVE_DAYS", .integer(1...36_500), unit: "days",
    doc: "Archived journal older than this is removed. Without it: only SE_ARCHIVE_BYTES counts.")
  static let logLevel = Setting("SE_LOG_LEVEL", .level, default: LogLevel.info, doc: "Least severe entries logged.")
  static let logFormat = Setting(
    "SE_LOG_FORMAT", .choice, default: LogFormat.json, doc: "json for machines, text for people.")

  // Files instead of claiming: all four together.
  static let certificate = Setting<String?>.optional(
    "SE_TLS_CERT", .path, doc: "Instead of claiming: PEM chain that both listeners show.")
  static let privateKey = Setting<String?>.optional(
    "SE_TLS_KEY", .path, doc: "Instead of claiming: PEM key of SE_TLS_CERT, not encrypted, mode 0600.")
  static let clientCA = Setting<String?>.optional(
    "SE_CLIENT_CA", .path, doc: "Instead of claiming: PEM of the authorities whose clients may connect.")
  static let keysFile = Setting<String?>.optional(
    "SE_JWKS_FILE", .path, doc: "Instead of claiming: JSON Web Key Set that tokens are checked with.")
  static let storageID = Setting<String?>.optional(
    "SE_STORAGE_ID", .uuid, doc: "Id of a new appliance. Without it: a random one. Tokens name it in their audience.")

  static let reloadInterval = Setting<Duration>(
    "SE_RELOAD_INTERVAL", .duration(second...day), default: .seconds(10),
    doc: "How often the four files above are looked at; changed ones are taken without a restart, as on SIGHUP.")

  static let sandbox = Setting(
    "SE_SANDBOX", .choice, default: SandboxChoice.on,
    doc:
      "on: landlock and seccomp keep the process in its directories and from connecting anywhere. off: for debugging.")

  static let table = ConfigurationTable(
    prefix: "SE_",
    [
      dataDirectory, journalDirectory, indexDirectory, mode, apiAddress, probeAddress, capacity, fileBytesMax,
      loops, gracePeriod, removalGrace, collectInterval, scrubRate, scrubWindow, repairGrace, archiveBytes, archiveDays,
      logLevel, logFormat, certificate, privateKey, clientCA, keysFile, storageID, reloadInterval, sandbox,
    ] + limits + uploads)
}
