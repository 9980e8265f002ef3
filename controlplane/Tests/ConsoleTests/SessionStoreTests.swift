internal import Core
internal import JWT
internal import Postgres
internal import PostgresTesting
internal import Reactor
internal import Telemetry
internal import Testing

@testable import Console

@Suite struct SessionStoreTests {
  private let start = Timestamp("2026-11-20T14:30:00Z")!

  private func session(_ administrator: String, at time: Timestamp) -> Session {
    Session(
      administratorID: administrator, login: "Анна", role: .readonly, csrfToken: "token", mustChangePassword: true,
      createdAt: time, lastSeenAt: time)
  }

  private func key(_ number: Int) -> String { SessionGate.key(of: "session \(number)") }

  private func check(_ store: some SessionStore) async throws {
    try await store.insert(key(1), session("a", at: start))
    try await store.insert(key(2), session("a", at: start))
    try await store.insert(key(3), session("b", at: start))
    #expect(try await store.session(key(1)) == session("a", at: start))
    #expect(try await store.session(key(9)) == nil)
    #expect(try await Set(store.all(of: "a", at: start).map(\.key)) == [key(1), key(2)])
    #expect(try await store.all(of: "a", at: start + Session.idleLimit).isEmpty)
    try await store.touch(key(1), at: start + .seconds(60))
    try await store.passwordChanged(key(1))
    let touched = try await store.session(key(1))
    #expect(touched?.lastSeenAt == start + .seconds(60) && touched?.mustChangePassword == false)
    try await store.removeAll(of: "a", except: key(1))
    #expect(try await store.session(key(2)) == nil)
    #expect(try await store.session(key(1)) != nil)
    #expect(try await store.session(key(3)) != nil)
    try await store.removeAll(of: "a", except: nil)
    #expect(try await store.session(key(1)) == nil)
    try await store.remove(key(3))
    #expect(try await store.session(key(3)) == nil)
  }

  @Test func memoryKeepsThem() async throws { try await check(MemorySessionStore()) }

  @Test func memoryIsBounded() async throws {
    let store = MemorySessionStore(countMax: 2)
    for number in 1...3 {
      try await store.insert(key(number), session("a", at: start + .seconds(Int64(number))))
    }
    #expect(try await store.session(key(1)) == nil)
    #expect(try await store.session(key(3)) != nil)
  }

  @Test func postgresKeepsThemAndForgetsOldOnes() async throws {
    let pool = PostgresPool(
      PostgresConfiguration(url: try PrivatePostgres.database(), connectionsMax: 2), time: SystemTime(),
      logger: .silent)
    defer { pool.close() }
    try await Migrator(pool: pool, migrations: ConsoleMigrations.all, logger: .silent).run()
    let store = PostgresSessionStore(pool: pool)
    try await check(store)
    try await store.insert(key(1), session("a", at: start))
    try await store.insert(key(2), session("a", at: start + .seconds(31 * 60)))
    #expect(try await store.session(key(1)) == nil, "idle for too long when the next person signed in")
    #expect(try await store.session(key(2)) != nil)
  }
}
