internal import Core
internal import Disk
internal import Store
internal import Synchronization

// `state/upkeep.json`, version 1: where the passes are, so that a restart goes on instead of beginning again. Losing it
// costs a pass from the start, nothing else.
//
//   {"version":1,"generation":…,                                     of the index whose places these are
//    "reconcile":{"began":…,"sequence":…,"directory":…}|absent,      a pass that has not ended
//    "reconcile_ended":…, "scrub":{"began":…,"sequence":…}|absent, "scrub_ended":…,
//    "verified":[{"through":…,"files":…,"at":…}, …]}                 ascending by `through`
//
// Written as a whole, at most every few seconds, and when a pass pauses or ends.

/// The passes' places, and what scrub has verified when.
final class UpkeepPlaces: Sendable {
  struct Content: Codable, Equatable {
    var version = 1
    var generation: UInt64
    var reconcile: Place?
    var reconcileEnded: Timestamp?
    var scrub: Place?
    var scrubEnded: Timestamp?
    var verified = Verified()

    enum CodingKeys: String, CodingKey {
      case version, generation, reconcile, scrub, verified
      case reconcileEnded = "reconcile_ended"
      case scrubEnded = "scrub_ended"
    }
  }

  /// Where a pass is.
  struct Place: Codable, Equatable {
    var began: Timestamp
    /// Documents up to here, in the order of uploads, are done.
    var sequence: Int64 = 0
    /// Directories up to here, in their order, are done; nil while documents are looked at.
    var directory: String?
  }

  private let store: Store
  private let time: any TimeSource
  private let state: Mutex<(content: Content, savedAt: Duration)>
  private static let savingInterval: Duration = .seconds(10)

  init(_ store: Store, time: any TimeSource) {
    self.store = store
    self.time = time
    let fresh = Content(generation: store.indexGeneration)
    // Unreadable is as good as lost: see the format.
    let bytes = try? store.disk.contents(Self.path(store), limit: 1 << 22)  // see the line above
    let saved = bytes.flatMap { $0 }.flatMap { try? JSON.decode(Content.self, from: $0) }  // the same reason
    let isOurs = saved.map { $0.version == 1 && $0.generation == fresh.generation } ?? false
    state = Mutex((isOurs ? saved ?? fresh : fresh, .zero))
  }

  private static func path(_ store: Store) -> String { store.absolute("state/upkeep.json") }

  var content: Content { state.withLock { $0.content } }

  /// Changes what is known; on disk now or a few seconds later, unless `saving` wants it at once. Blocks.
  func update(saving: Bool = false, _ change: (inout Content) -> Void) {
    let now = time.uptime()
    let due = state.withLock { state -> Content? in
      change(&state.content)
      guard saving || now - state.savedAt >= Self.savingInterval else { return nil }
      state.savedAt = now
      return state.content
    }
    guard let due else { return }
    // A place that cannot be written is found again by the next pass.
    let bytes = try? JSON.encode(due)  // see the line above
    if let bytes { try? store.disk.replace(Self.path(store), with: bytes) }  // for the same reason as above
  }
}

/// Which documents were re-read when: stretches of the order of uploads, few because what was read in one hour is one.
struct Verified: Codable, Equatable {
  struct Stretch: Codable, Equatable {
    /// Its last document's place; it begins after the stretch before.
    var through: Int64
    /// Documents found sound, or marked.
    var files: Int
    /// When the first of them was read.
    var at: Timestamp
  }

  private(set) var stretches: [Stretch] = []
  private static let merging: Duration = .seconds(3600)

  /// Notes that the documents after `place`, up to `through`, were read.
  mutating func add(after place: Int64, through: Int64, files: Int, at time: Timestamp) {
    var before = stretches.filter { $0.through <= place }
    var after = stretches.filter { $0.through > through }
    // The stretch that is cut holds fewer documents now.
    if !after.isEmpty { after[0].files = max(0, after[0].files - files) }
    if let last = before.last, last.at <= time, time.since(last.at) < Self.merging {
      before[before.count - 1] = Stretch(through: through, files: last.files + files, at: last.at)
    } else {
      before.append(Stretch(through: through, files: files, at: time))
    }
    stretches = before + after
  }

  /// Documents read since `time`.
  func files(since time: Timestamp) -> Int { stretches.reduce(0) { $0 + ($1.at >= time ? $1.files : 0) } }

  /// When the stretch that was read longest ago was read; nil when nothing was.
  var oldest: Timestamp? { stretches.filter { $0.files > 0 }.map(\.at).min() }

  /// The place up to which everything was read at least once.
  var through: Int64 { stretches.last?.through ?? 0 }

  init() {}

  init(from decoder: any Decoder) throws { stretches = try [Stretch](from: decoder) }

  func encode(to encoder: any Encoder) throws { try stretches.encode(to: encoder) }
}
