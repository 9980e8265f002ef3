internal import Core
internal import Crypto
internal import Synchronization

/// Hashes a large document's pieces, in their order, on a thread that is not its connection's: hashing takes as long as
/// receiving, and the two then go on at once (decision 0073). Waking it costs as much as hashing some 20 KiB, so what
/// comes fast is handed over in larger portions. A bounded amount waits; then the sender does.
final class DigestLane: Sendable {
  /// Pieces after which other lanes get their turn.
  private static let turnMax = 32

  private struct State {
    var waiting: [ArraySlice<UInt8>] = []
    var waitingBytes = 0
    /// A thread is at it; it alone touches the digest.
    var isRunning = false
    var sender: CheckedContinuation<Void, Never>?
    /// How few bytes must wait for the sender to go on.
    var goesOnAt = 0
  }

  private let digest: Mutex<DocumentDigest>
  private let state = Mutex(State())
  private let threads: DiskWorkers
  private let portionBytes: Int

  /// `digest` has seen what came before.
  init(_ digest: consuming DocumentDigest, on threads: DiskWorkers, portionBytes: Int) {
    self.digest = Mutex(digest)
    self.threads = threads
    self.portionBytes = portionBytes
  }

  var waitingBytes: Int { state.withLock { $0.waitingBytes } }

  /// `isFast`: more comes at once, until it is a portion.
  func add(_ bytes: ArraySlice<UInt8>, isFast: Bool) {
    let begins = state.withLock { state in
      state.waiting.append(bytes)
      state.waitingBytes += bytes.count
      guard !state.isRunning, !isFast || state.waitingBytes >= portionBytes else { return false }
      state.isRunning = true
      return true
    }
    if begins { threads.submit { self.work() } }
  }

  /// Suspends while too much waits.
  func room() async { await wait(until: 2 * portionBytes, ifMoreThan: 4 * portionBytes) }

  /// The digests of everything that was added.
  func finish() async -> (checksum: Checksum, sums: BlockSums) {
    let begins = state.withLock { state in
      guard !state.isRunning, !state.waiting.isEmpty else { return false }
      state.isRunning = true
      return true
    }
    if begins { threads.submit { self.work() } }
    await wait(until: 0, ifMoreThan: 0)
    return digest.withLock { ($0.current(), $0.sums) }
  }

  /// One sender: an upload has one task.
  private func wait(until few: Int, ifMoreThan many: Int) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      let goesOn = state.withLock { state in
        guard state.waitingBytes > many || many == 0 && state.isRunning else { return true }
        state.sender = continuation
        state.goesOnAt = few
        return false
      }
      if goesOn { continuation.resume() }
    }
  }

  private func work() {
    for _ in 0..<Self.turnMax {
      let (piece, sender) = state.withLock { state -> (ArraySlice<UInt8>?, CheckedContinuation<Void, Never>?) in
        let piece = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        state.isRunning = piece != nil
        state.waitingBytes -= piece?.count ?? 0
        // Nothing left means that the last piece is hashed: whoever waits for all of it waits for this.
        let isDue = piece == nil || state.goesOnAt > 0 && state.waitingBytes <= state.goesOnAt
        guard isDue, let sender = state.sender else { return (piece, nil) }
        state.sender = nil
        return (piece, sender)
      }
      sender?.resume()
      guard let piece else { return }
      digest.withLock { $0.update(piece) }
    }
    // Other lanes get their turn.
    threads.submit { self.work() }
  }
}
