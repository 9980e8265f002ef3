import Disk
import FoundationEssentials
import Journal

/// Where seeds are simulated one after another: a directory for the index, which SQLite keeps on a real file system,
/// and one thread that runs every task of the simulation in the order in which they became ready, so that a seed
/// decides everything.
final class SimulationPlace: TaskExecutor {
  let scratch: String
  private let jobs = BoundedQueue<UnownedJob>(limit: 1 << 20)

  private init() throws {
    let base =
      FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : FileManager.default.temporaryDirectory.path
    scratch = "\(base)/artstore-simulation-\(UInt64.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: scratch) }  // a temporary directory

  /// Runs `body` on a new place's thread.
  static func with<Result: Sendable>(_ body: @Sendable (SimulationPlace) async throws -> Result) async throws -> Result
  {
    let place = try SimulationPlace()
    let jobs = place.jobs
    let executor = place.asUnownedTaskExecutor()
    let thread = try DedicatedThread("simulation") {
      while let ready = jobs.take(upTo: 1, timeout: nil) {
        for job in ready { job.runSynchronously(on: executor) }
      }
    }
    defer {
      jobs.close()
      thread.join()
    }
    return try await withTaskExecutorPreference(place) { try await body(place) }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    do throws(BoundedQueue<UnownedJob>.Refusal) {
      try jobs.put(job)
    } catch {
      fatalError("the simulation's thread cannot take a job: \(error)")
    }
  }

  /// Nothing but the caller is ready to run.
  var isIdle: Bool { jobs.count == 0 }
}
