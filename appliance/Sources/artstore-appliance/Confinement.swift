internal import Configuration
internal import Disk
internal import Glibc
internal import Sandbox
internal import Store
internal import Telemetry

/// `SE_SANDBOX`.
enum SandboxChoice: String, CaseIterable, Sendable {
  case on
  case off
}

/// What the daemon gives up before it serves anybody, so that whoever takes it over can neither leave its directories
/// nor reach another machine. Two steps: files before the first thread (landlock binds a thread and those it makes),
/// system calls once both listeners are open (seccomp binds every thread at once).
struct Confinement: Sendable {
  private let files: Protection
  private let isOn: Bool

  /// On the main thread, before any other is made. What the kernel has and refuses stops the start.
  static func fenceFiles(_ context: CommandContext) throws -> Confinement {
    guard context.values[Settings.sandbox] == .on else { return Confinement(files: .off, isOn: false) }
    // Landlock rules are about directories that exist.
    try context.makeDirectories()
    let store = context.storeConfiguration
    var fence = FileFence(
      writable: [store.dataDirectory, store.journalDirectory, store.indexDirectory],
      readable: try ownFilesPlaces(context))
    fence.readableIfThere = FileFence.ofTheSystem
    do { return Confinement(files: try fence.raise(), isOn: true) } catch {
      throw CommandFailure.refused("\(error); SE_SANDBOX=off starts without this protection")
    }
  }

  /// Directories of the owner's certificate files: replacing a file makes a new one there. Where that would be `/`, the
  /// file alone.
  private static func ownFilesPlaces(_ context: CommandContext) throws -> [String] {
    var places: [String] = []
    for setting in [Settings.certificate, Settings.privateKey, Settings.clientCA, Settings.keysFile] {
      guard let path = context.values[setting] else { continue }
      // One that is missing is named, with its key, when the files are read.
      guard try context.disk.stat(path) != nil else { continue }
      let parent = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
      places.append(parent.isEmpty ? path : String(parent))
    }
    return places
  }

  /// After both listeners are bound, before anybody is served.
  func filterCalls(_ logger: Logger, _ metrics: MetricsRegistry) throws {
    let calls: Protection
    do { calls = isOn ? try CallFilter().apply(everyThread: true) : .off } catch {
      throw CommandFailure.refused("\(error); SE_SANDBOX=off starts without this protection")
    }
    let gauge = metrics.gauge(
      "se_sandbox", help: "1 while a protection is in force: files (landlock), calls (seccomp).",
      labels: ["protection"])
    gauge.set(files.isActive ? 1 : 0, "files")
    gauge.set(calls.isActive ? 1 : 0, "calls")
    logger.notice("sandbox", ["files": .string(files.description), "calls": .string(calls.description)])
  }
}
