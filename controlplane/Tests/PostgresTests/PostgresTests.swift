import Core
import PostgresTesting
import Service
import Telemetry
import Testing

@testable import Postgres

/// Against a real server: see `PrivatePostgres`.
@Suite(.serialized) struct PostgresTests {
  static func pool(_ change: (inout PostgresConfiguration) -> Void = { _ in }) throws -> PostgresPool {
    var configuration = PostgresConfiguration(url: try PrivatePostgres.database(), connectionsMax: 4)
    change(&configuration)
    return PostgresPool(configuration, time: SystemTime(), logger: .silent)
  }

  @Test func valuesGoThereAndBack() async throws {
    let pool = try Self.pool()
    let id = FileID.random(SystemRandom())
    let time = Timestamp(microseconds: 1_790_000_000_123_456)
    let sum = try #require(Checksum(bytes: Array(0..<32)))
    let tags = ["a", "b \"c\"", "ё,{}\\", ""]
    let json = JSONValue.object(["k": .array([.integer(1), .null, .string("ю\n")])])
    let none: String? = nil
    let row = try #require(
      try await pool.query(
        """
        SELECT \("Привет")::text AS s, \(42) AS i, \(-1.5) AS d, \(true) AS b, \(id) AS u, \(time) AS t, \(sum) AS c,
          \(tags) AS a, \(json) AS j, \(none) AS n, \([UInt8]([0, 1, 255])) AS y
        """
      ).first)
    #expect(try row.decode("s") == "Привет")
    #expect(try row["i", as: Int.self] == 42)
    #expect(try row.decode("d") == -1.5)
    #expect(try row.decode("b") == true)
    #expect(try row.decode("u") == id)
    #expect(try row.decode("t") == time)
    #expect(try row.decode("c") == sum)
    #expect(try row.decode("a") == tags)
    #expect(try row.decode("j") == json)
    #expect(try row.decode("n", as: String?.self) == nil)
    #expect(try row.decode("y") == [UInt8]([0, 1, 255]))
    #expect(throws: PostgresError.self) { try row.decode("s", as: Int.self) }
    #expect(throws: PostgresError.self) { try row.decode("nothing", as: Int.self) }
    #expect(throws: PostgresError.self) { try row.decode("n", as: String.self) }
  }

  @Test(arguments: [
    "'; DROP TABLE t; --", "\\'; DROP TABLE t; --", "$1", "%s\"", "{}", "\u{FEFF}'", "' OR '1'='1", "a\u{301}'",
  ])
  func injectionStaysAValue(text: String) async throws {
    let pool = try Self.pool()
    try await pool.query("CREATE TABLE t (v text, a text[])")
    try await pool.query("INSERT INTO t VALUES (\(text), \([text]))")
    let row = try #require(try await pool.query("SELECT v, a FROM t WHERE v = \(text)").first)
    #expect(try row.decode("v") == text)
    #expect(try row.decode("a") == [text])
    #expect(try await pool.query("SELECT v FROM t WHERE v = 'x' OR v = \("nobody")").isEmpty)
  }

  @Test func aZeroByteIsRefusedNotCut() async throws {
    let pool = try Self.pool()
    await #expect(throws: PostgresError.self) { try await pool.query("SELECT \("a\0b")") }
    #expect(try await pool.query("SELECT 1").scalar(Int.self) == 1)
  }

  @Test func errorsNameStateAndConstraintAndLeaveTheConnectionUsable() async throws {
    let pool = try Self.pool { $0.connectionsMax = 1 }
    try await pool.query("CREATE TABLE t (v integer PRIMARY KEY)")
    try await pool.query("INSERT INTO t VALUES (1)")
    let error = await #expect(throws: PostgresError.self) { try await pool.query("INSERT INTO t VALUES (1)") }
    #expect(error?.isUniqueViolation == true)
    #expect(error?.constraint == "t_pkey")
    #expect(try await pool.query("SELECT count(*) FROM t").scalar(Int.self) == 1)
  }

  @Test func transactionsRollBackAndSavepointsNest() async throws {
    struct Stop: Error {}
    let pool = try Self.pool()
    try await pool.query("CREATE TABLE t (v integer)")
    await #expect(throws: Stop.self) {
      try await pool.transaction { connection in
        try await connection.query("INSERT INTO t VALUES (1)")
        throw Stop()
      }
    }
    try await pool.transaction { connection in
      try await connection.query("INSERT INTO t VALUES (2)")
      await #expect(throws: PostgresError.self) {
        try await connection.transaction { inner in
          try await inner.query("INSERT INTO t VALUES (3)")
          try await inner.query("SELECT 1 / 0")
        }
      }
    }
    #expect(try await pool.query("SELECT v FROM t").map { try $0.decode(0, as: Int.self) } == [2])
  }

  @Test func copyStreamsAndAborts() async throws {
    struct Stop: Error {}
    let pool = try Self.pool()
    try await pool.query("CREATE TABLE t (v text)")
    try await pool.withConnection { connection in
      var left = 1000
      let count = try await connection.copyIn("COPY t (v) FROM STDIN") {
        left -= 1
        return left >= 0 ? Array("row \(left)\\n with newline\n".utf8) : nil
      }
      #expect(count == 1000)
      left = 10
      await #expect(throws: Stop.self) {
        _ = try await connection.copyIn("COPY t (v) FROM STDIN") {
          left -= 1
          if left == 0 { throw Stop() }
          return Array("x\n".utf8)
        }
      }
      await #expect(throws: PostgresError.self) {
        _ = try await connection.copyIn("COPY nowhere FROM STDIN") { nil }
      }
      #expect(try await connection.query("SELECT count(*) FROM t").scalar(Int.self) == 1000)
    }
  }

  @Test func preparedStatementsSurviveAChangedTable() async throws {
    let pool = try Self.pool { $0.connectionsMax = 1 }
    try await pool.query("CREATE TABLE t (v integer)")
    try await pool.query("INSERT INTO t VALUES (1)")
    #expect(try await pool.query("SELECT * FROM t").scalar(Int.self) == 1)
    try await pool.query("ALTER TABLE t ALTER v TYPE text")
    #expect(try await pool.query("SELECT * FROM t").scalar(String.self) == "1")
  }

  @Test func oldPreparedStatementsAreForgotten() async throws {
    let pool = try Self.pool { $0.connectionsMax = 1 }
    for number in 0..<600 { try await pool.query(Query(unsafeRaw: "SELECT \(number)")) }
    let kept = try await pool.query("SELECT count(*) FROM pg_prepared_statements").scalar(Int.self)
    #expect(kept <= 257)
  }

  @Test func aDeadlineCancelsTheStatementAndTheConnectionIsReplaced() async throws {
    let pool = try Self.pool { $0.connectionsMax = 1 }
    let stop = ShutdownSignal()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await Shutdown.with(stop) { try await pool.run() } }
      try await pool.ping()
      let error = await #expect(throws: PostgresError.self) {
        try await pool.query("SELECT pg_sleep(60)", timeout: .milliseconds(50))
      }
      #expect(error?.kind == .timedOut)
      let running = try await pool.query(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
      ).scalar(Int.self)
      #expect(running == 0)
      stop.raise()
      try await group.waitForAll()
    }
    let closed = await #expect(throws: PostgresError.self) { try await pool.ping() }
    #expect(closed?.kind == .closed)
  }

  @Test func manyTasksShareFewConnections() async throws {
    let pool = try Self.pool { $0.connectionsMax = 3 }
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<200 {
        group.addTask { try await pool.query("SELECT \(number)::bigint").scalar(Int.self) }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 199 * 200 / 2)
    #expect(pool.usage.total <= 3)
    #expect(pool.usage.waiting == 0)
  }

  @Test func aFullQueueRefusesAndAWaiterGivesUp() async throws {
    let pool = try Self.pool {
      $0.connectionsMax = 1
      $0.waitersMax = 1
      $0.acquireTimeout = .milliseconds(50)
    }
    try await pool.withConnection { _ in
      let error = await #expect(throws: PostgresError.self) { try await pool.ping() }
      #expect(error?.kind == .overloaded)
    }
    try await pool.ping()
  }

  @Test func aRestartedServerIsFoundAgain() async throws {
    let server = try PrivatePostgres()
    let configuration = PostgresConfiguration(url: server.url(database: "postgres"), connectionsMax: 2)
    let pool = PostgresPool(configuration, time: SystemTime(), logger: .silent)
    try await pool.ping()
    try server.restart()
    try await pool.ping()
    #expect(try await pool.query("SELECT 7").scalar(Int.self) == 7)
  }

  @Test func anUnreachableServerIsAnErrorAndFreesItsPlace() async throws {
    let pool = PostgresPool(
      PostgresConfiguration(url: "host=/nonexistent dbname=x", connectionsMax: 1), time: SystemTime(), logger: .silent)
    for _ in 0..<3 {
      let error = await #expect(throws: PostgresError.self) { try await pool.ping() }
      #expect(error?.kind == .connection)
    }
    #expect(pool.usage.total == 0)
  }
}
