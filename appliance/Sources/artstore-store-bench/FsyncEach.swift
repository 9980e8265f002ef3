internal import Core
internal import Crypto
internal import Disk

/// How an engine without a journal makes uploads durable: each document and each attributes file is written under a
/// temporary name, synced, renamed, and its directory synced; 64 threads at once, so that the file system's own group
/// commit helps as much as it can. No index, no listing: less than the store does.
enum FsyncEach {
  static func run(_ options: StoreBench.Options) throws -> Figures {
    let disk = RealDisk()
    try disk.makeDirectories(options.directory)
    let time = SystemTime()
    let progress = Progress(count: options.documents, began: time.uptime())
    var threads: [DedicatedThread] = []
    for client in 0..<options.clients {
      threads.append(
        try DedicatedThread("client-\(client)") {
          while let number = progress.next() {
            do {
              try upload(number, options, disk)
              progress.done(at: time.uptime())
            } catch {
              progress.fail("\(error)")
              return
            }
          }
        })
    }
    for thread in threads { thread.join() }
    if let reason = progress.failure { throw BenchFailure(reason) }
    let seconds = StoreBench.seconds(time.uptime() - progress.began)
    return [
      ("documents", Double(options.documents)), ("seconds", seconds), ("rate", Double(options.documents) / seconds),
    ]
  }

  private static func upload(_ number: Int, _ options: StoreBench.Options, _ disk: RealDisk) throws {
    let body = StoreBench.body(number, count: options.bytes)
    let checksum = SHA256.digest(body)
    let path = "\(options.directory)/report-\(number).pdf"
    try put(body, at: path, options.directory, disk)
    let attributes = "{\"file\":\"report-\(number).pdf\",\"size\":\(body.count),\"sha256\":\"\(checksum)\"}"
    try put(Array(attributes.utf8), at: path + ".attr.json", options.directory, disk)
  }

  private static func put(_ bytes: [UInt8], at path: String, _ directory: String, _ disk: RealDisk) throws {
    let file = try disk.open(path + ".tmp", .create)
    defer { file.close() }
    try file.write(bytes, at: 0)
    try file.sync(.stateBytes)
    try disk.rename(path + ".tmp", to: path)
    try disk.syncDirectory(directory, .stateName)
  }
}
