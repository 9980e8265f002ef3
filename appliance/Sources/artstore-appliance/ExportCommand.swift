internal import Core
internal import Crypto
internal import Disk
internal import StorageAPI
internal import Store

/// `export --to DIR`: every active document with its attributes, checked by SHA-256 on the way, under its stored path.
struct ExportCommand {
  let context: CommandContext

  static let chunkBytes = 1 << 20
  static let pageCount = 500

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    guard let target = context.arguments.options["to"], target.hasPrefix("/") else {
      throw CommandFailure.usage("export needs --to and an absolute directory")
    }
    // Nothing runs beside the copying: what is exported is one state.
    var configuration = context.storeConfiguration
    configuration.runsThreads = false
    try context.makeDirectories()
    let store = try Store.open(configuration, disk: context.disk, time: context.time, random: context.random)
    defer { store.close() }
    store.flush()
    let rebuilding = ProgressLine("documents indexed")
    store.finishRebuild { rebuilding.show($0) }
    rebuilding.end()
    try context.disk.makeDirectories(target)
    let outcome = try copyAll(from: store, to: target)
    context.answer("\(outcome.copied) documents exported to \(target), \(outcome.damaged.count) damaged") { json in
      json.member("exported", outcome.copied)
      json.key("damaged")
      json.array { json in for path in outcome.damaged { json.string(path) } }
    }
    if !outcome.damaged.isEmpty {
      let names = outcome.damaged.prefix(20).joined(separator: ", ")
      throw CommandFailure.findings("these do not have their checksum: \(names)")
    }
  }

  private struct Outcome {
    var copied = 0
    var damaged: [String] = []
  }

  private func copyAll(from store: Store, to target: String) throws -> Outcome {
    var outcome = Outcome()
    let total = store.summary.counts[.active]?.files
    let progress = ProgressLine("documents exported", every: 10)
    defer { progress.end() }
    var last: Int64 = 0
    var page = try store.documents(after: last, limit: Self.pageCount)
    while let end = page.last {
      for document in page where document.record.status == .active {
        let isWhole = try copy(document, from: store, to: target)
        if isWhole { outcome.copied += 1 } else { outcome.damaged.append(document.path) }
        progress.show(outcome.copied + outcome.damaged.count, of: total)
      }
      last = end.sequence
      page = try store.documents(after: last, limit: Self.pageCount)
    }
    return outcome
  }

  /// False when the bytes are not those that the record names; nothing is left of the copy then.
  private func copy(_ document: IndexedDocument, from store: Store, to target: String) throws -> Bool {
    let disk = context.disk
    let path = "\(target)/\(document.path)"
    try disk.makeDirectories(RealDisk.parent(of: path))
    guard try disk.stat(store.absolute(document.path)) != nil else { return false }
    let source = try disk.open(store.absolute(document.path), .read)
    defer { source.close() }
    let copy = try disk.open(path, .replace)
    defer { copy.close() }
    guard try transfer(source, to: copy) == document.record.checksum else {
      try disk.unlink(path)
      return false
    }
    let attributes = Store.attributesPath(of: document.path)
    // Lost or damaged ones are made from the row: a document without attributes would be no backup of it.
    let kept = try disk.contents(store.absolute(attributes), limit: 65_536).flatMap { bytes in
      store.readAttributes(of: document.path) == nil ? nil : bytes
    }
    try disk.replace("\(target)/\(attributes)", with: kept ?? store.attributes(of: document).encoded)
    return true
  }

  /// Copies and hashes; the checksum of what was read.
  private func transfer(_ source: any DiskFile, to copy: any DiskFile) throws -> Checksum {
    var hash = SHA256()
    for offset in stride(from: 0, to: try source.size(), by: Self.chunkBytes) {
      let bytes: [UInt8] = try source.read(at: offset, count: Self.chunkBytes)
      hash.update(bytes)
      try copy.write(bytes, at: offset)
    }
    try copy.sync(.exportBytes)
    return hash.finish()
  }
}
