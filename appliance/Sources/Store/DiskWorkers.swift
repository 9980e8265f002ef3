internal import Disk
internal import Journal

/// A few threads for what takes long about large uploads (syncs, hashing, writes), so that event loops never stand in
/// it.
final class DiskWorkers: Sendable {
  private let queue: BoundedQueue<@Sendable () -> Void>
  private let threads: [DedicatedThread]

  /// Without threads `run` works on the caller's: for simulations.
  init(_ name: String, threads count: Int) throws(DiskError) {
    let queue = BoundedQueue<@Sendable () -> Void>(limit: 1024)
    self.queue = queue
    var threads: [DedicatedThread] = []
    for number in 0..<count {
      threads.append(
        try DedicatedThread("\(name)-\(number)") {
          while let work = queue.take(upTo: 1, timeout: nil) { for piece in work { piece() } }
        })
    }
    self.threads = threads
  }

  /// Does `work` on a thread that may block. When too much waits already, the caller does it.
  func run<Failure: Error>(_ work: @escaping @Sendable () throws(Failure) -> Void) async throws(Failure) {
    guard !threads.isEmpty else { return try work() }
    let result: Result<Void, Failure> = await withCheckedContinuation { continuation in
      let piece: @Sendable () -> Void = {
        do throws(Failure) {
          try work()
          continuation.resume(returning: .success(()))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
      do throws(BoundedQueue<@Sendable () -> Void>.Refusal) { try queue.put(piece) } catch { piece() }
    }
    try result.get()
  }

  /// The same without waiting for its end.
  func submit(_ work: @escaping @Sendable () -> Void) {
    guard !threads.isEmpty else { return work() }
    do throws(BoundedQueue<@Sendable () -> Void>.Refusal) { try queue.put(work) } catch { work() }
  }

  func stop() {
    queue.close()
    for thread in threads { thread.join() }
  }
}
