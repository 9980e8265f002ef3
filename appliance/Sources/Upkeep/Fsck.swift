public import Core
internal import Crypto
public import Disk
internal import Journal
internal import StorageAPI
public import Store

/// `artstore-appliance fsck`: reads everything, changes nothing. The journal's chain, the index, every `attr.json`,
/// every document's size and (unless `isQuick`) its SHA-256. Needs the lock: nobody else may change what it reads.
public struct Fsck: Sendable {
  /// What was found, and whether that is all right.
  public struct Report: Sendable {
    public var journal: [String] = []
    public var index: [String] = []
    public var documents: MaintenanceReport
    public var isClean: Bool { journal.isEmpty && index.isEmpty && documents.issueCount == 0 }

    /// `{"clean","journal_problems":[…],"index_problems":[…],"documents":{the contract's report}}`.
    public var json: [UInt8] {
      JSONWriter.document { json in
        json.object { json in
          json.member("clean", isClean)
          json.key("journal_problems")
          json.array { json in for problem in journal { json.string(problem) } }
          json.key("index_problems")
          json.array { json in for problem in index { json.string(problem) } }
          json.key("documents")
          json.raw(documents.json)
        }
      }
    }

    /// For a terminal.
    public var lines: [String] {
      var lines = journal.map { "journal: \($0)" } + index.map { "index: \($0)" }
      lines += documents.issues.map { "\($0.type.rawValue): \($0.path): \($0.description)" }
      if documents.issueCount > documents.issues.count {
        lines.append("… and \(documents.issueCount - documents.issues.count) more")
      }
      lines.append(
        isClean ? "clean: \(documents.filesChecked) documents" : "NOT clean: see above; nothing was changed")
      return lines
    }
  }

  private let configuration: StoreConfiguration
  private let disk: any Disk
  private let time: any TimeSource
  private let isQuick: Bool
  private static let chunk = 1 << 20

  public init(
    _ configuration: StoreConfiguration, disk: any Disk, time: any TimeSource = SystemTime(), isQuick: Bool = false
  ) {
    self.configuration = configuration
    self.disk = disk
    self.time = time
    self.isQuick = isQuick
  }

  /// Blocks until everything was read. `progress` hears how many documents are done. `StoreError.locked` names the
  /// holder.
  public func run(progress: (Int) -> Void = { _ in }) throws(StoreError) -> Report {
    let lock = try DataDirectoryLock.take(configuration.dataDirectory, disk: disk)
    defer { lock.close() }
    var report = Report(documents: MaintenanceReport(startedAt: time.now()))
    let chain = try OfflineJournal(configuration, disk: disk).verify()
    report.journal = chain.problems
    // The end of a damaged journal is not known.
    report.index = OfflineIndex(configuration, disk: disk)
      .problems(lastLSN: chain.isSound ? chain.segments.last?.lastLSN : nil)
    var directories = ["files"]
    do throws(DiskError) {
      while let directory = directories.popLast() {
        let entries = try disk.list("\(configuration.dataDirectory)/\(directory)").sorted { $0.name < $1.name }
        let names = Set(entries.map(\.name))
        for entry in entries {
          let path = "\(directory)/\(entry.name)"
          switch entry.kind {
          case .directory: directories.append(path)
          case .file where path.hasSuffix(".attr.json"):
            try check(path, hasDocument: names.contains(String(entry.name.dropLast(10))), &report.documents)
            progress(report.documents.filesChecked)
          case .file where path.hasSuffix(".attr.json.tmp"): break
          case .file where !names.contains(entry.name + ".attr.json"):
            report.documents.add(
              .init(
                fileID: Reconcile.id(in: path), path: path, type: .orphanedFile, description: "it has no attributes"))
          case .file, .other: break
          }
        }
      }
    } catch {
      throw .disk(error)
    }
    report.documents.completedAt = time.now()
    return report
  }

  private func check(_ path: String, hasDocument: Bool, _ report: inout MaintenanceReport) throws(DiskError) {
    report.filesChecked += 1
    let absolute = "\(configuration.dataDirectory)/\(path)"
    let document = String(path.dropLast(10))
    guard hasDocument else {
      return report.add(
        .init(
          fileID: Reconcile.id(in: document), path: path, type: .orphanedAttributes,
          description: "its document is missing"))
    }
    guard let bytes = try disk.contents(absolute, limit: 65_536),
      let attributes = try? Attributes(bytes)  // what is wrong with it is of no use to an operator
    else {
      return report.add(
        .init(
          fileID: Reconcile.id(in: document), path: path, type: .orphanedAttributes,
          description: "the attributes cannot be read; reconcile restores them from the index"))
    }
    let file = try disk.open("\(configuration.dataDirectory)/\(document)", .read)
    defer { file.close() }
    let record = attributes.record
    let size = try file.size()
    guard size == record.size else {
      return report.add(
        .init(
          fileID: record.fileID, path: document, type: .sizeMismatch,
          description: "\(size) bytes, \(record.size) are recorded"))
    }
    if isQuick { return }
    guard try checksum(file) == record.checksum else {
      return report.add(
        .init(
          fileID: record.fileID, path: document, type: .checksumMismatch,
          description: "the bytes are not those that were uploaded"))
    }
  }

  private func checksum(_ file: any DiskFile) throws(DiskError) -> Checksum {
    var digest = SHA256()
    var offset = 0
    while true {
      let bytes = try file.read(at: offset, count: Self.chunk)
      if bytes.isEmpty { return digest.finish() }
      digest.update(bytes)
      offset += bytes.count
    }
  }
}
