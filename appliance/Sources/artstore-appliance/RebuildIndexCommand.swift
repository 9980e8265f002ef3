internal import Core
internal import Disk
internal import Store

/// `rebuild-index`: throws the derived index away and makes it anew from the attributes, then says what it found.
struct RebuildIndexCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    let directory = context.storeConfiguration.indexDirectory
    // Held while the files go; the store takes its own lock right after.
    let lock = try DataDirectoryLock.take(context.dataDirectory, disk: context.disk)
    for entry in try context.disk.list(directory) where entry.kind == .file && entry.name.hasPrefix("index.sqlite") {
      try context.disk.unlink("\(directory)/\(entry.name)")
    }
    try context.disk.syncDirectory(directory, .indexRemoval)
    lock.close()
    var configuration = context.storeConfiguration
    configuration.runsThreads = false
    let store = try Store.open(configuration, disk: context.disk, time: context.time, random: context.random)
    defer { store.close() }
    let progress = ProgressLine("documents indexed")
    store.finishRebuild { progress.show($0) }
    progress.end()
    let summary = store.summary
    guard summary.index == .ready else { throw CommandFailure.io("the index could not be rebuilt: \(summary.index)") }
    let count = summary.counts.values.reduce(0) { $0 + $1.files }
    context.answer("index rebuilt: \(count) documents") { json in
      json.member("documents", count)
      json.member("lsn", summary.lastLSN)
    }
  }
}
