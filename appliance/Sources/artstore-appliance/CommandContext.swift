internal import Configuration
internal import Core
internal import Disk
internal import StorageAPI
internal import Store
internal import Telemetry

/// What every command works with: the loaded settings and the machine.
struct CommandContext: Sendable {
  let arguments: Arguments
  let values: ConfigurationValues
  let disk = RealDisk()
  let time = SystemTime()
  let random = SystemRandom()

  static let configurationBytesMax = 1 << 20

  init(_ arguments: Arguments, environment: [String: String]) throws {
    self.arguments = arguments
    var file: (name: String, text: String)?
    if let path = arguments.options["config"] {
      let absolute = path.hasPrefix("/") ? path : "\(environment["PWD"] ?? "")/\(path)"
      guard let bytes = try disk.contents(absolute, limit: Self.configurationBytesMax) else {
        throw CommandFailure.configuration("--config: there is no file \(path)")
      }
      file = (path, String(decoding: bytes, as: UTF8.self))
    }
    values = try Settings.table.load(environment: environment, file: file)
    let mode = values[Settings.mode]
    guard mode == .edit || mode == .rw else {
      throw CommandFailure.configuration(
        "SE_MODE must be edit or rw: a new appliance begins in one of them, not in \(mode)")
    }
  }

  var dataDirectory: String { values[Settings.dataDirectory] }

  var storeConfiguration: StoreConfiguration {
    var configuration = StoreConfiguration(
      dataDirectory: dataDirectory,
      journalDirectory: values[Settings.journalDirectory] ?? dataDirectory + "/wal",
      indexDirectory: values[Settings.indexDirectory] ?? dataDirectory + "/index",
      initialMode: values[Settings.mode])
    configuration.capacityLimitBytes = values[Settings.capacity]
    configuration.fileBytesMax = values[Settings.fileBytesMax]
    configuration.archiveBytesMax = values[Settings.archiveBytes]
    configuration.archiveDaysMax = values[Settings.archiveDays]
    configuration.applianceID = values[Settings.storageID].flatMap { FileID($0) }
    values.applyUploads(to: &configuration)
    return configuration
  }

  var logger: Logger {
    Logger(
      label: "appliance", level: values[Settings.logLevel], format: values[Settings.logFormat],
      sink: DescriptorSink.standardError(), time: time)
  }

  /// Makes the directories that a store needs. Their parents may be missing.
  func makeDirectories() throws {
    let configuration = storeConfiguration
    for path in [configuration.dataDirectory, configuration.journalDirectory, configuration.indexDirectory] {
      do throws(DiskError) {
        try disk.makeDirectories(path)
      } catch {
        throw CommandFailure.io("\(error); SE_DATA_DIR, SE_WAL_DIR and SE_INDEX_DIR must be writable")
      }
    }
  }

  func openStore() throws -> Store {
    try makeDirectories()
    return try Store.open(storeConfiguration, disk: disk, time: time, random: random)
  }

  /// One answer, as JSON or for a person.
  func answer(_ plain: String, _ build: (inout JSONWriter) -> Void) {
    Terminal.print(
      arguments.isJSON ? String(decoding: JSONWriter.document { $0.object(build) }, as: UTF8.self) : plain)
  }

  /// An answer that is JSON already, or its lines for a person.
  func print(_ json: [UInt8], or lines: [String]) {
    Terminal.print(arguments.isJSON ? String(decoding: json, as: UTF8.self) : lines.joined(separator: "\n"))
  }
}
