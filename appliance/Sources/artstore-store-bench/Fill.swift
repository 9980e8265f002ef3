internal import Core
internal import Glibc
internal import StorageAPI
internal import Store
internal import Synchronization

/// Uploads through the engine, by as many clients at once as are asked for.
enum Fill {
  static func run(_ options: StoreBench.Options) async throws -> Figures {
    let store = try StoreBench.open(options)
    let time = SystemTime()
    let progress = Progress(count: options.documents, began: time.uptime())
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<options.clients {
        group.addTask {
          while let number = progress.next() {
            do {
              let upload = try store.beginUpload(draft(number, options.bytes))
              try await upload.write(StoreBench.body(number, count: options.bytes))
              _ = try await upload.finish()
              progress.done(at: time.uptime())
            } catch {
              progress.fail("\(error)")
              return
            }
          }
        }
      }
    }
    if let reason = progress.failure { throw BenchFailure(reason) }
    let answered = time.uptime()
    while store.summary.unplacedBytes > 0 { try await Task.sleep(for: .milliseconds(2)) }
    let placed = time.uptime()
    let cpuSeconds = cpuSeconds
    store.close()
    let whole = StoreBench.seconds(placed - progress.began)
    let (first, last) = progress.tenths()
    return [
      ("documents", Double(options.documents)), ("seconds", whole), ("rate", Double(options.documents) / whole),
      ("answered_rate", Double(options.documents) / StoreBench.seconds(answered - progress.began)),
      ("first_tenth_rate", first), ("last_tenth_rate", last),
      ("cpu_us_per_document", cpuSeconds / Double(options.documents) * 1_000_000),
      ("close_seconds", StoreBench.seconds(time.uptime() - placed)),
    ]
  }

  /// User and system time of this process so far.
  private static var cpuSeconds: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6 }
  }

  private static func draft(_ number: Int, _ count: Int) -> FileDraft {
    var draft = FileDraft(filename: "report-\(number).pdf", uploadedBy: "bench")
    draft.contentType = "application/pdf"
    draft.declaredSize = count
    draft.description = "Отчёт \(number)"
    draft.tags = ["bench", "2026"]
    return draft
  }
}

/// Hands out numbers, and notes when each tenth was done.
final class Progress: Sendable {
  let began: Duration
  private let count: Int
  private let state: Mutex<(given: Int, done: Int, marks: [Duration], failure: String?)>

  init(count: Int, began: Duration) {
    self.count = count
    self.began = began
    state = Mutex((0, 0, [], nil))
  }

  func next() -> Int? {
    state.withLock { state in
      guard state.given < count, state.failure == nil else { return nil }
      state.given += 1
      return state.given
    }
  }

  func done(at time: Duration) {
    state.withLock { state in
      state.done += 1
      if state.done % max(1, count / 10) == 0 { state.marks.append(time) }
    }
  }

  /// Ends the run.
  func fail(_ reason: String) { state.withLock { $0.failure = reason } }

  var failure: String? { state.withLock { $0.failure } }

  /// Documents a second in the first and in the last tenth.
  func tenths() -> (first: Double, last: Double) {
    state.withLock { state in
      guard state.marks.count >= 10 else { return (0, 0) }
      let tenth = Double(count / 10)
      return (
        tenth / StoreBench.seconds(state.marks[0] - began),
        tenth / StoreBench.seconds(state.marks[9] - state.marks[8])
      )
    }
  }
}

struct BenchFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
