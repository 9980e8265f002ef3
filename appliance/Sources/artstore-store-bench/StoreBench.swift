internal import Core
internal import Disk
internal import Glibc
internal import StorageAPI
internal import Store

/// The store without its server, for `make bench`: fills stores of a million documents, and measures what no server's
/// socket should be part of. Prints one JSON object of figures. Never shipped.
enum StoreBench {
  static let usage = """
    artstore-store-bench COMMAND DIRECTORY [--documents N] [--bytes N] [--clients N] [--storage-id UUID]
      fill        adds documents through the engine and puts them in place; documents/s, of the first and last tenth too
      reads       a page of 1000 at ten depths, a walk over everything, the newest 1000 changes
      fsync-each  the same upload as an engine that syncs each file would do it

    """

  struct Options {
    var command = ""
    var directory = ""
    var documents = 20_000
    var bytes = 4096
    var clients = 64
    /// Which appliance's store it is; the one that the benchmarks' certificates name unless told.
    var storageID = FileID(high: 0x4000, low: 0x8000_0000_0000_BEC4)
  }

  static func start(_ arguments: [String]) async {
    guard let options = parse(arguments) else {
      print(usage, terminator: "")
      exit(2)
    }
    do {
      let figures =
        switch options.command {
        case "fill": try await Fill.run(options)
        case "reads": try await Reads.run(options)
        default: try FsyncEach.run(options)
        }
      print("{" + figures.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}")
    } catch {
      print("artstore-store-bench \(options.command): \(error)")
      exit(1)
    }
  }

  private static func parse(_ arguments: [String]) -> Options? {
    var options = Options()
    guard arguments.count >= 2, ["fill", "reads", "fsync-each"].contains(arguments[0]) else { return nil }
    options.command = arguments[0]
    options.directory = arguments[1]
    var rest = arguments.dropFirst(2)
    while let name = rest.popFirst() {
      guard let text = rest.popFirst() else { return nil }
      if name == "--storage-id" {
        guard let id = FileID(text) else { return nil }
        options.storageID = id
        continue
      }
      guard let value = Int(text), value > 0 else { return nil }
      switch name {
      case "--documents": options.documents = value
      case "--bytes": options.bytes = value
      case "--clients": options.clients = value
      default: return nil
      }
    }
    return options
  }

  /// Opens the appliance's store that is kept in `directory` as the appliance itself keeps it.
  static func open(_ options: Options) throws -> Store {
    let directory = options.directory
    var configuration = StoreConfiguration(
      dataDirectory: directory, journalDirectory: "\(directory)/wal", indexDirectory: "\(directory)/index",
      initialMode: .edit)
    configuration.applianceID = options.storageID
    return try Store.open(configuration, disk: RealDisk(), time: SystemTime(), random: SystemRandom())
  }

  static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  /// A document's bytes: no two are equal. Eight at a time, for making them is no part of what is measured.
  static func body(_ number: Int, count: Int) -> [UInt8] {
    var word = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 | 1
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      for place in stride(from: 0, to: count, by: 8) {
        word ^= word << 13
        word ^= word >> 7
        word ^= word << 17
        let left = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[place...])
        withUnsafeBytes(of: word) { left.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(left.count))) }
      }
      filled = count
    }
  }
}

typealias Figures = [(name: String, value: Double)]
