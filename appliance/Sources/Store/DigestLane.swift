internal import Core
internal import Crypto
internal import Synchronization

/// Hashes a large document's pieces, in their order, on a thread that is not its connection's: hashing takes as long as
/// receiving, and the two then go on at once (decision 0073). A few pieces wait at most; then the sender does.
final class DigestLane: Sendable {
  /// Pieces of at most 256 KiB that may wait.
  private static let piecesMax = 8

  private struct State {
    var waiting: [[UInt8]] = []
    /// A thread is at it; it alone touches the digest.
    var isRunning = false
    var sender: CheckedContinuation<Void, Never>?
    /// How few must wait for the sender to go on.
    var goesOnAt = 0
  }

  private let digest: Mutex<SHA256>
  private let state = Mutex(State())
  private let threads: DiskWorkers

  /// `digest` has seen what came before.
  init(_ digest: consuming SHA256, on threads: DiskWorkers) {
    self.digest = Mutex(digest)
    self.threads = threads
  }

  var waitingCount: Int { state.withLock { $0.waiting.count } }

  func add(_ bytes: [UInt8]) {
    let begins = state.withLock { state in
      state.waiting.append(bytes)
      defer { state.isRunning = true }
      return !state.isRunning
    }
    if begins { threads.submit { self.work() } }
  }

  /// Suspends while too much waits.
  func room() async { await wait(until: Self.piecesMax / 2, ifMoreThan: Self.piecesMax) }

  /// The digest of everything that was added.
  func finish() async -> Checksum {
    await wait(until: 0, ifMoreThan: 0)
    return digest.withLock { $0.current() }
  }

  /// One sender: an upload has one task.
  private func wait(until few: Int, ifMoreThan many: Int) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      let goesOn = state.withLock { state in
        guard state.waiting.count > many || many == 0 && state.isRunning else { return true }
        state.sender = continuation
        state.goesOnAt = few
        return false
      }
      if goesOn { continuation.resume() }
    }
  }

  private func work() {
    for _ in 0..<Self.piecesMax {
      let (piece, sender) = state.withLock { state -> ([UInt8]?, CheckedContinuation<Void, Never>?) in
        let piece = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        state.isRunning = piece != nil
        // Nothing left means that the last piece is hashed: whoever waits for all of it waits for this.
        let isDue = piece == nil || state.goesOnAt > 0 && state.waiting.count <= state.goesOnAt
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
