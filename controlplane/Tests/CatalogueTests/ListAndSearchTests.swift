import Core
import Postgres
import StorageAPI
import Testing

@testable import Catalogue

@Suite(.serialized) struct ListAndSearchTests {
  @Test(arguments: [
    ("Отчёт_за-2026.год.pdf", "отчет за 2026 год pdf"),
    ("ДОГОВОР № 12/3 (копия).docx", "договор   12 3  копия  docx"),
    ("Report.PDF", "report pdf"),
    // Latin c, o, p inside a Cyrillic word.
    ("coпоставление", "сопоставление"),
    // Latin words stay Latin beside Cyrillic ones.
    ("scan договор", "scan договор"),
  ])
  func namesAreNormalised(name: String, expected: String) async throws {
    let world = try await CatalogueWorld()
    #expect(try await world.pool.query("SELECT artstore_normalise(\(name))").scalar(String.self) == expected)
  }

  @Test func searchColumnsFindByStemInBothLanguagesNameAndTag() async throws {
    let world = try await CatalogueWorld()
    let record = world.record(name: "Отчёты_Иванова-contracts.pdf")
    _ = try await world.files.put(record, owner: world.owner, at: world.at(1))
    for words in ["отчет", "иванова", "contract", "год"] {
      let found = try await world.pool.query(
        "SELECT file_id FROM files WHERE search @@ plainto_tsquery('russian', artstore_normalise(\(words)))")
      #expect(found.count == 1, "\(words)")
    }
    let partial = try await world.pool.query(
      "SELECT 1 FROM files WHERE name_normal LIKE '%' || artstore_normalise(\("ёты_ива")) || '%'")
    #expect(partial.count == 1)
  }

  @Test func pagesByCursorAreStableUnderInsertion() async throws {
    let world = try await CatalogueWorld()
    var expected: [FileID] = []
    for index in 0..<25 {
      // Pairs share a time: the id decides.
      let record = world.record(name: "\(index).pdf", uploadedAt: 1_790_000_000 + Int64(index / 2))
      _ = try await world.files.put(record, owner: world.owner, at: world.at(1))
      expected.append(record.fileID)
    }
    var seen: [FileID] = []
    var page = PageRequest(limit: 10)
    while true {
      let found = try await world.files.list(FileFilter(), page)
      seen += found.entries.map(\.record.fileID)
      _ = try await world.files.put(
        world.record(uploadedAt: 1_800_000_000), owner: world.owner, at: world.at(1))
      guard let next = found.nextCursor else { break }
      page.cursor = next
    }
    #expect(seen.count == 25)
    #expect(Set(seen) == Set(expected))
    await #expect(throws: PostgresError.self) {
      try await world.files.list(FileFilter(), PageRequest(cursor: "bm90IGEgY3Vyc29y"))
    }
  }

  @Test func filtersAndTotalsAgree() async throws {
    let world = try await CatalogueWorld()
    for index in 0..<6 {
      let record = world.record(
        status: index % 2 == 0 ? .active : .deleted, by: index < 3 ? "sa_one" : "o'brien; DROP TABLE files")
      _ = try await world.files.put(
        record, owner: index == 5 ? world.other : world.owner, at: world.at(1))
    }
    func count(_ filter: FileFilter) async throws -> [Int] {
      let page = try await world.files.list(filter, PageRequest())
      return [page.entries.count, page.total]
    }
    #expect(try await count(FileFilter()) == [6, 6])
    #expect(try await count(FileFilter(status: .active)) == [3, 3])
    #expect(try await count(FileFilter(applianceID: world.other)) == [1, 1])
    #expect(try await count(FileFilter(uploadedBy: "o'brien; DROP TABLE files")) == [3, 3])
    #expect(try await count(FileFilter(status: .deleted, retentionPolicy: .permanent)) == [3, 3])
    #expect(try await count(FileFilter(retentionPolicy: .temporary)) == [0, 0])
  }

  @Test func healthAndTheSlopeOfGrowth() async throws {
    let world = try await CatalogueWorld()
    try await world.elements.unreachable(world.owner, "no route")
    #expect(try await world.elements.element(world.owner)?.status == .offline)
    #expect(try await world.elements.health(world.owner, limit: 5).first?.error == "no route")
    try await world.pool.query(
      """
      INSERT INTO storage_element_health (storage_element_id, checked_at, status, used_bytes, available_bytes,
        round_trip_ms)
      SELECT \(world.owner), now() - make_interval(days => d), 'online', 1000 - d * 100, 500 + d * 100, 1
      FROM generate_series(0, 5) AS d
      """)
    let trend = try await world.elements.capacityTrend(world.owner)
    #expect(trend.points.count == 6 && trend.points.first?.usedBytes == 500)
    #expect(abs(try #require(trend.daysToFull) - 5) < 0.1)
    let share = try #require(try await world.elements.answeredShare(world.owner))
    #expect(abs(share - 2.0 / 3) < 0.01, "two of three in the last two days")
  }

  @Test func healthHistoryThinsOutAndEnds() async throws {
    let world = try await CatalogueWorld()
    // A poll each ten minutes for four days, every third without an answer, and one from long ago.
    try await world.pool.query(
      """
      INSERT INTO storage_element_health (storage_element_id, checked_at, status, used_bytes, available_bytes,
        round_trip_ms, error)
      SELECT \(world.owner), date_bin('1 hour', now(), 'epoch') + interval '1 minute' - make_interval(mins => 10 * n),
        'online', 1, 1, 1, CASE WHEN n % 3 = 0 THEN 'away' END
      FROM generate_series(1, 4 * 144) AS n
      UNION ALL SELECT \(world.owner), now() - interval '91 days', 'online', 1, 1, 1, NULL
      """)
    let gone = try await world.elements.tidyHealth(days: 90)
    let counts = try await world.pool.query(
      """
      SELECT count(*) FILTER (WHERE checked_at >= now() - interval '2 days'),
        count(*) FILTER (WHERE checked_at < now() - interval '2 days')
      FROM storage_element_health WHERE storage_element_id = \(world.owner)
      """
    ).first
    let (young, old): (Int, Int) = (try #require(counts).decode(0), try #require(counts).decode(1))
    // Two an hour of the older two days; the hour at the border may count once more.
    #expect((282...294).contains(young) && (94...98).contains(old), "\(young) \(old)")
    #expect(gone == 577 - young - old)
    #expect(try await world.elements.tidyHealth(days: 90) == 0)
  }
}
