internal import Core
internal import Journal
internal import Store

/// `journal list`, `journal verify`, `journal show FILE_ID`: reads only, also beside the running daemon.
struct JournalCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    let words = context.arguments.words
    switch (words.dropFirst().first, words.count) {
    case ("list", 2): try list()
    case ("verify", 2): try verify()
    case ("show", 3): try show(words[2])
    default: throw CommandFailure.usage("journal list, journal verify, or journal show FILE_ID")
    }
  }

  private var journal: OfflineJournal {
    get throws { try OfflineJournal(context.storeConfiguration, disk: context.disk) }
  }

  private func list() throws {
    let found = try read()
    let lines = found.segments.map { segment in
      let place = segment.isArchived ? "archived" : "raw"
      return "\(segment.file)  \(place)  LSN \(segment.firstLSN)–\(segment.lastLSN)  "
        + "\(segment.records) records  \(segment.fileBytes) bytes  \(segment.created)"
    }
    context.print(found.json, or: lines)
  }

  private func verify() throws {
    let found = try read()
    let verdict = found.isSound ? "the chain is sound: \(found.segments.count) segments" : "the chain is BROKEN"
    context.print(found.json, or: found.problems + [verdict])
    if !found.isSound { throw CommandFailure.findings("the journal is damaged; nothing was changed") }
  }

  private func read() throws -> JournalInspection.Verification {
    let progress = ProgressLine("segments read", every: 1)
    defer { progress.end() }
    return try journal.verify { progress.show($0, of: $1) }
  }

  private func show(_ text: String) throws {
    guard let id = FileID(text) else { throw CommandFailure.usage("journal show needs a document's UUID") }
    let journal = try journal
    let entries = try journal.history(of: id)
    let floor = try journal.floor()
    let json = JSONWriter.document { json in
      json.array { json in for entry in entries { json.raw(entry.json) } }
    }
    let lines = entries.map { "LSN \($0.lsn)  \($0.time)  \($0.reason) by \($0.subject)  \($0.path)" }
    context.print(json, or: lines.isEmpty ? ["no history of \(id) in the journal that is kept"] : lines)
    // A document's history begins with its upload; when it does not, silence would pass for the whole of it.
    if floor > 0, entries.first?.isUpload != true {
      throw CommandFailure.findings("history up to LSN \(floor) was pruned: what is shown may not be all")
    }
  }
}
