internal import Core
internal import Synchronization

/// Sessions of one process: for tests and for a console without a database of its own. Bounded.
final class MemorySessionStore: SessionStore {
  private let sessions = Mutex<[String: Session]>([:])
  private let countMax: Int

  init(countMax: Int = 10_000) { self.countMax = countMax }

  func session(_ key: String) async throws -> Session? { sessions.withLock { $0[key] } }

  func insert(_ key: String, _ session: Session) async throws {
    sessions.withLock { sessions in
      if sessions.count >= countMax, let oldest = sessions.min(by: { $0.value.lastSeenAt < $1.value.lastSeenAt }) {
        sessions[oldest.key] = nil
      }
      sessions[key] = session
    }
  }

  func touch(_ key: String, at time: Timestamp) async throws { sessions.withLock { $0[key]?.lastSeenAt = time } }

  func passwordChanged(_ key: String) async throws { sessions.withLock { $0[key]?.mustChangePassword = false } }

  func remove(_ key: String) async throws { _ = sessions.withLock { $0.removeValue(forKey: key) } }

  func all(of administratorID: String, at now: Timestamp) async throws -> [(key: String, session: Session)] {
    sessions.withLock { sessions in
      sessions.filter { $0.value.administratorID == administratorID && $0.value.isLive(at: now) }
        .sorted { $0.value.createdAt > $1.value.createdAt }.prefix(100).map { ($0.key, $0.value) }
    }
  }

  func removeAll(of administratorID: String, except key: String?) async throws {
    sessions.withLock { sessions in
      sessions = sessions.filter { $0.key == key || $0.value.administratorID != administratorID }
    }
  }
}
