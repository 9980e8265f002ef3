internal import Core
internal import Disk
internal import Synchronization

/// Writes a large document's pieces to its file, in their order, on a thread that is not its connection's: a write
/// waits for the device when it has enough to do, and receiving, hashing and writing go on at once (decision 0095).
///
/// Pieces that come fast are gathered and written many at once, in whole pages that the disk need not keep; what comes
/// slowly is written as it comes. The file is closed by this, never under a write. One task uses it.
final class WriteLane: Sendable {
  private struct State {
    var waiting: [ArraySlice<UInt8>] = []
    var waitingBytes = 0
    /// Where the first waiting byte belongs.
    var position: Int
    /// Of what is before `position`, how much is just being written.
    var flyingBytes = 0
    /// A thread is at it.
    var isRunning = false
    /// What waits is to be written though it is little.
    var isHurried = false
    var isGathering = false
    /// Bytes that came since then, to tell fast from slow.
    var pace: (bytes: Int, since: Duration)
    var isClosed = false
    var failure: DiskError?
    var sender: CheckedContinuation<Void, Never>?
    /// How few bytes must be on their way for the sender to go on.
    var goesOnAt = 0

    var pendingBytes: Int { waitingBytes + flyingBytes }
  }

  /// Pieces in one write.
  private static let piecesMax = 256
  /// Writes after which other lanes get their turn.
  private static let turnMax = 16
  private static let writebackBytes = 8 << 20
  /// What is gathered came within this time, or is not gathered.
  static let gatherTime: Duration = .seconds(1)

  let file: any DiskFile
  private let lanes: WriteLanes
  private let state: Mutex<State>

  fileprivate init(_ file: any DiskFile, at position: Int, of lanes: WriteLanes) {
    self.file = file
    self.lanes = lanes
    state = Mutex(State(position: position, pace: (0, lanes.time.uptime())))
  }

  deinit { close() }

  /// Up to here everything is written.
  var written: Int { state.withLock { $0.position - $0.flyingBytes } }

  /// Takes the next bytes; whether they come fast, and more may be waited for. Throws what an earlier write failed
  /// with.
  @discardableResult
  func add(_ bytes: ArraySlice<UInt8>) throws(DiskError) -> Bool {
    let (isFast, begins) = try state.withLock { (state) throws(DiskError) in
      if let failure = state.failure { throw failure }
      guard !bytes.isEmpty else { return (state.isGathering, false) }
      state.waiting.append(bytes)
      state.waitingBytes += bytes.count
      keepPace(bytes.count, &state)
      if !state.isGathering { state.isHurried = true }
      return (state.isGathering, begin(&state))
    }
    if begins { lanes.threads.submit { self.work() } }
    return isFast
  }

  /// Whether it is worth gathering. Who sends slowly would have memory held for long.
  private func keepPace(_ count: Int, _ state: inout State) {
    let now = lanes.time.uptime()
    state.pace.bytes += count
    let isSlow = now - state.pace.since > Self.gatherTime
    guard isSlow || state.pace.bytes >= lanes.gatherBytes else { return }
    state.pace = (0, now)
    if isSlow == state.isGathering {
      if isSlow { lanes.leave() }
      state.isGathering = !isSlow && lanes.enter()
    }
  }

  /// Suspends while too much waits.
  func room() async { await wait(until: 2 * lanes.gatherBytes, ifMoreThan: 4 * lanes.gatherBytes) }

  /// Returns when everything is written, or a write has failed and the others were given up.
  func flush() async throws(DiskError) {
    let begins = state.withLock { state in
      state.isHurried = !state.waiting.isEmpty
      return begin(&state)
    }
    if begins { lanes.threads.submit { self.work() } }
    await wait(until: 0, ifMoreThan: 0)
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Gives up what waits and closes the file, as soon as no write is under way.
  func close() {
    let isIdle = state.withLock { state in
      guard !state.isClosed else { return false }
      state.isClosed = true
      if state.isGathering { lanes.leave() }
      return !state.isRunning
    }
    if isIdle { file.close() }
  }

  private func wait(until few: Int, ifMoreThan many: Int) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      let goesOn = state.withLock { state in
        guard state.pendingBytes > many || many == 0 && state.isRunning else { return true }
        state.sender = continuation
        state.goesOnAt = few
        return false
      }
      if goesOn { continuation.resume() }
    }
  }

  private func isDue(_ state: State) -> Bool {
    !state.waiting.isEmpty && (state.isHurried || state.waitingBytes >= lanes.gatherBytes)
  }

  private func begin(_ state: inout State) -> Bool {
    guard !state.isRunning, isDue(state) else { return false }
    state.isRunning = true
    return true
  }

  // MARK: On a thread for it

  private struct Batch {
    let pieces: [ArraySlice<UInt8>]
    let position: Int
    /// Fewer than the pieces have when a part of a page is kept back.
    let count: Int
  }

  private func work() {
    for _ in 0..<Self.turnMax {
      guard let batch = next() else { return }
      do throws(DiskError) {
        try write(batch)
      } catch {
        state.withLock { state in
          state.failure = error
          state.position -= state.flyingBytes
        }
      }
    }
    lanes.threads.submit { self.work() }
  }

  /// What to write now, after what was written before; nil when there is nothing.
  private func next() -> Batch? {
    let (batch, sender, closes) = state.withLock { state in
      state.flyingBytes = 0
      if state.isClosed || state.failure != nil {
        state.waiting = []
        state.waitingBytes = 0
      }
      let batch = isDue(state) ? takeBatch(&state) : nil
      state.isRunning = batch != nil
      var sender: CheckedContinuation<Void, Never>?
      if state.pendingBytes <= state.goesOnAt, batch == nil || state.goesOnAt > 0 { swap(&sender, &state.sender) }
      return (batch, sender, batch == nil && state.isClosed)
    }
    if closes { file.close() }
    sender?.resume()
    return batch
  }

  private func takeBatch(_ state: inout State) -> Batch {
    let pieces = Array(state.waiting.prefix(Self.piecesMax))
    state.waiting.removeFirst(pieces.count)
    var count = pieces.reduce(0) { $0 + $1.count }
    let position = state.position
    if !state.isHurried, state.waiting.isEmpty {
      let rest = (position + count) % DiskPage.bytes
      if rest > 0, rest < count {
        state.waiting = [Self.last(rest, of: pieces)]
        count -= rest
      }
    }
    if state.waiting.isEmpty { state.isHurried = false }
    state.waitingBytes -= count
    state.flyingBytes = count
    state.position += count
    return Batch(pieces: pieces, position: position, count: count)
  }

  private static func last(_ count: Int, of pieces: [ArraySlice<UInt8>]) -> ArraySlice<UInt8> {
    var parts: [ArraySlice<UInt8>] = []
    var left = count
    for piece in pieces.reversed() where left > 0 {
      parts.append(piece.suffix(left))
      left -= min(left, piece.count)
    }
    return Array(parts.reversed().joined())[...]
  }

  /// Whole pages past the cache if they are many, their ragged ends, and little, through it: what is written past it is
  /// never touched again.
  private func write(_ batch: Batch) throws(DiskError) {
    try Self.withBuffers(batch.pieces[...], []) { (buffers) throws(DiskError) in
      var rest = buffers
      var position = batch.position
      let lead = min(batch.count, (DiskPage.bytes - position % DiskPage.bytes) % DiskPage.bytes)
      let whole = (batch.count - lead) / DiskPage.bytes * DiskPage.bytes
      if whole > 0, whole >= lanes.behindBytes {
        try put(Self.take(lead, from: &rest), at: &position)
        try file.writeBehind(Self.take(whole, from: &rest), at: position)
        position += whole
      }
      try put(Self.take(batch.position + batch.count - position, from: &rest), at: &position)
    }
  }

  private func put(_ buffers: [UnsafeRawBufferPointer], at position: inout Int) throws(DiskError) {
    let start = position
    for buffer in buffers {
      try file.write(buffer, at: position)
      position += buffer.count
    }
    let boundary = position / Self.writebackBytes * Self.writebackBytes
    guard boundary > start else { return }
    file.startWriteback(at: boundary - Self.writebackBytes, count: Self.writebackBytes)
  }

  private static func take(
    _ count: Int, from buffers: inout [UnsafeRawBufferPointer]
  ) -> [UnsafeRawBufferPointer] {
    var taken: [UnsafeRawBufferPointer] = []
    var left = count
    while left > 0, let first = buffers.first {
      let some = min(left, first.count)
      taken.append(UnsafeRawBufferPointer(rebasing: first[..<some]))
      left -= some
      if some == first.count {
        buffers.removeFirst()
      } else {
        buffers[0] = UnsafeRawBufferPointer(rebasing: first[some...])
      }
    }
    return taken
  }

  /// The addresses of all pieces, for as long as `body` runs.
  private static func withBuffers(
    _ pieces: ArraySlice<ArraySlice<UInt8>>, _ found: [UnsafeRawBufferPointer],
    _ body: ([UnsafeRawBufferPointer]) throws(DiskError) -> Void
  ) throws(DiskError) {
    guard let first = pieces.first else { return try body(found) }
    try first.withUnsafeBufferPointer { (bytes) throws(DiskError) in
      try withBuffers(pieces.dropFirst(), found + [UnsafeRawBufferPointer(bytes)], body)
    }
  }
}

/// What the lanes of one store share: threads, and how many may hold bytes back to write more of them at once.
final class WriteLanes: Sendable {
  /// What a lane gathers for one write.
  let gatherBytes: Int
  fileprivate let threads: DiskWorkers
  fileprivate let time: any TimeSource
  private let gathering = Atomic(0)
  static let gatheringMax = 128

  /// Without threads lanes write on the caller's: for simulations.
  init(threads count: Int, gatherBytes: Int, time: any TimeSource) throws(DiskError) {
    self.gatherBytes = gatherBytes
    self.time = time
    threads = try DiskWorkers("store-write", threads: count)
  }

  /// Fewer are not worth a write of their own past the cache.
  fileprivate var behindBytes: Int { gatherBytes / 8 }

  /// Takes over `file`, which is written from `position` on.
  func lane(_ file: any DiskFile, at position: Int) -> WriteLane { WriteLane(file, at: position, of: self) }

  var gatheringCount: Int { gathering.load(ordering: .relaxed) }

  fileprivate func enter() -> Bool {
    if gathering.add(1, ordering: .relaxed).newValue <= Self.gatheringMax { return true }
    leave()
    return false
  }

  fileprivate func leave() { gathering.subtract(1, ordering: .relaxed) }

  func stop() { threads.stop() }
}
