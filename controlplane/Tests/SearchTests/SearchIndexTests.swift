import Catalogue
import Core
import Crypto
import HTTP
import Postgres
import PostgresTesting
import Reactor
import Search
import StorageAPI
import Telemetry
import Testing

/// Searches a small library of documents with Russian and English names on a real PostgreSQL.
struct SearchIndexTests {
  static let owner = FileID(high: 1, low: 1)

  struct Library {
    let index: SearchIndex
    let catalogue: FileCatalogue
    let pool: PostgresPool
  }

  static let names = [
    "Годовой_отчёт-2025.pdf", "отчеты за март.docx", "Договор №17 (Иванов).pdf", "annual report 2025.pdf",
    "100%_complete.txt", "100 percent.txt", "АВТОMOБИЛЬ.jpg", "ёлка.png", "readme", "a_b.txt", "axb.txt",
  ]

  static func library() async throws -> Library {
    let pool = PostgresPool(
      PostgresConfiguration(url: try PrivatePostgres.database()), time: SystemTime(), logger: .silent)
    _ = try await Migrator(pool: pool, migrations: CatalogueMigrations.all, logger: .silent).run()
    try await pool.query(
      """
      INSERT INTO storage_elements (id, name, url, storage_id, mode, status, spki)
      VALUES (\(owner), 'a', 'https://a', 'a', 'rw', 'online', decode(repeat('00', 32), 'hex'))
      """)
    let catalogue = FileCatalogue(pool: pool)
    for (number, name) in names.enumerated() {
      let record = FileRecord(
        fileID: FileID(high: 2, low: UInt64(number)), originalFilename: name,
        contentType: name.hasSuffix("pdf") ? "application/pdf" : "text/plain", size: number * 100,
        checksum: SHA256.digest([UInt8(number)]), uploadedBy: number % 2 == 0 ? "sa_even" : "sa_odd",
        uploadedAt: Timestamp(seconds: 1_700_000_000 + Int64(number)),
        retentionPolicy: .permanent, description: number == 8 ? "Инструкция по установке серверов" : nil,
        tags: number < 3 ? ["бухгалтерия", "2025"] : ["misc"])
      _ = try await catalogue.put(record, owner: owner, at: RowPosition(epoch: 1, lsn: Int64(number + 1)))
    }
    return Library(index: SearchIndex(pool: pool), catalogue: catalogue, pool: pool)
  }

  static func request(_ text: String) throws -> SearchRequest { try SearchRequest(json: Array(text.utf8)) }

  static func names(_ answer: SearchAnswer) -> Set<String> { Set(answer.items.map(\.record.originalFilename)) }

  @Test func findsByStemsInBothLanguages() async throws {
    let index = try await Self.library().index
    let expectations: [(String, Set<String>)] = [
      ("отчет", ["Годовой_отчёт-2025.pdf", "отчеты за март.docx"]), ("ОТЧЁТОМ годовым", ["Годовой_отчёт-2025.pdf"]),
      ("reports", ["annual report 2025.pdf"]), ("сервер", ["readme"]), ("бухгалтерии", Set(Self.names[0..<3])),
      ("автомобиля", ["АВТОMOБИЛЬ.jpg"]), ("нетникогда", []), ("17 договоры", ["Договор №17 (Иванов).pdf"]),
    ]
    for (query, expected) in expectations {
      let answer = try await index.search(try Self.request(#"{"query": "\#(query)"}"#))
      #expect(Self.names(answer) == expected, "\(query)")
      #expect(answer.total == expected.count && answer.totalIsExact)
    }
  }

  @Test func partialMatchesPartsAndTakesWildcardsLiterally() async throws {
    let index = try await Self.library().index
    let expectations: [(String, Set<String>)] = [
      ("отчет", ["Годовой_отчёт-2025.pdf", "отчеты за март.docx"]),
      ("ОТЧЁТ", ["Годовой_отчёт-2025.pdf", "отчеты за март.docx"]),
      ("00%", ["100%_complete.txt"]), ("%", []), ("ёл", ["ёлка.png"]), ("ма", ["отчеты за март.docx"]),
      ("nual rep", ["annual report 2025.pdf"]), (#"\\"#, []),
    ]
    for (query, expected) in expectations {
      let answer = try await index.search(try Self.request(#"{"query": "\#(query)", "mode": "partial"}"#))
      #expect(Self.names(answer) == expected, "\(query)")
    }
  }

  @Test func exactIsTheWholeNameIgnoringCase() async throws {
    let index = try await Self.library().index
    for (query, count) in [("README", 1), ("read", 0), ("АВТОMOБИЛЬ.JPG", 1), ("a_b.txt", 1)] {
      let answer = try await index.search(try Self.request(#"{"query": "\#(query)", "search_mode": "exact"}"#))
      #expect(answer.items.count == count, "\(query)")
    }
  }

  @Test func filtersNarrow() async throws {
    let index = try await Self.library().index
    let expectations: [(String, Int)] = [
      (#""tags": ["2025", "бухгалтерия"]"#, 3), (#""tags": ["2025", "misc"]"#, 0), (#""file_extension": ".PDF""#, 3),
      (#""content_type": "text/*""#, 8), (#""content_type": "application/pdf""#, 3), (#""uploaded_by": "sa_odd""#, 5),
      (#""min_size": 100, "max_size": 200"#, 2), (#""uploaded_before": "2023-11-14T22:13:23Z""#, 3),
      (#""filename": "2025""#, 2), (#""status": "deleted""#, 0), (#""retention_policy": "temporary""#, 0),
    ]
    for (filter, count) in expectations {
      let answer = try await index.search(try Self.request("{\(filter)}"))
      #expect(answer.items.count == count, "\(filter)")
    }
  }

  @Test(arguments: ["uploaded_at", "size", "original_filename"], ["asc", "desc"])
  func cursorsWalkEveryDocumentOnce(sort: String, order: String) async throws {
    let index = try await Self.library().index
    var seen: [FileID] = []
    var cursor: String?
    repeat {
      let next = cursor.map { #", "cursor": "\#($0)""# } ?? ""
      let answer = try await index.search(
        try Self.request(#"{"sort_by": "\#(sort)", "sort_order": "\#(order)", "limit": 3\#(next)}"#))
      seen += answer.items.map(\.record.fileID)
      cursor = answer.nextCursor
      #expect(answer.hasMore == (cursor != nil))
    } while cursor != nil && seen.count < 50
    #expect(seen.count == Self.names.count)
    #expect(Set(seen).count == Self.names.count)
  }

  @Test func rankedPagesFollowEachOther() async throws {
    let index = try await Self.library().index
    let first = try await index.search(try Self.request(#"{"query": "бухгалтерия", "limit": 2}"#))
    #expect(first.items.count == 2 && first.hasMore && first.items.allSatisfy { $0.rank != nil })
    let cursor = try #require(first.nextCursor)
    let second = try await index.search(
      try Self.request(#"{"query": "бухгалтерия", "limit": 2, "cursor": "\#(cursor)"}"#))
    #expect(second.items.count == 1 && !second.hasMore)
    #expect(Self.names(first).isDisjoint(with: Self.names(second)))
  }

  @Test func facetsCountWhatWasFound() async throws {
    let index = try await Self.library().index
    let answer = try await index.search(try Self.request(#"{"facets": ["content_type", "tags", "file_extension"]}"#))
    let facets = Dictionary(uniqueKeysWithValues: answer.facets.map { ($0.facet, $0.values) })
    #expect(facets[.contentType]?.first == SearchAnswer.FacetValue(value: "text/plain", count: 8))
    #expect(facets[.tags]?.contains(SearchAnswer.FacetValue(value: "misc", count: 8)) == true)
    #expect(facets[.fileExtension]?.contains(SearchAnswer.FacetValue(value: "pdf", count: 3)) == true)
  }

  @Test func missingAndDeletedDocumentsAreNotFound() async throws {
    let library = try await Self.library()
    let id = FileID(high: 2, low: 8)
    _ = try await library.catalogue.tombstone(id, owner: Self.owner, at: RowPosition(epoch: 1, lsn: 100))
    #expect(try await library.index.search(try Self.request(#"{"query": "readme", "mode": "exact"}"#)).items.isEmpty)
    #expect(try await library.index.suggestions("readme").isEmpty)
  }

  @Test func suggestsBeginningsOfNames() async throws {
    let index = try await Self.library().index
    #expect(try await index.suggestions("ГОДОВОЙ ОТЧЕТ") == ["Годовой_отчёт-2025.pdf"])
    #expect(try await index.suggestions("100%") == ["100%_complete.txt"])
    #expect(try await index.suggestions("") == [])
  }

  @Test(arguments: ["'; DROP TABLE files; --", "\\' OR 1=1", "%' OR '1'='1", "$1", "a & b | !c", "((", "*:*"])
  func hostileTextIsOnlyText(query: String) async throws {
    let library = try await Self.library()
    for mode in SearchRequest.Mode.allCases {
      var request = SearchRequest()
      request.query = query
      request.mode = mode
      _ = try await library.index.search(request)
    }
    #expect(try await library.index.search(SearchRequest()).total == Self.names.count)
  }
}

struct SearchRequestTests {
  @Test(arguments: [
    (#"{"querry": "x"}"#, "querry"), (#"{"limit": 0}"#, "limit"), (#"{"limit": 1001}"#, "limit"),
    (#"{"limit": "5"}"#, "limit"), (#"{"mode": "fuzzy"}"#, "mode"), (#"{"tags": "x"}"#, "tags"),
    (#"{"tags": [1]}"#, "tags"), (#"{"uploaded_after": "yesterday"}"#, "uploaded_after"),
    (#"{"min_size": -1}"#, "min_size"), (#"{"min_size": 5, "max_size": 4}"#, "min_size"), (#"[]"#, "object"),
    (#"{"query": "x"#, "JSON"), (#"{"facets": ["colour"]}"#, "facets"), (#"{"query": "a\u0000b"}"#, "query"),
  ])
  func badInputIsRefusedByName(body: String, named: String) {
    let error = #expect(throws: APIError.self) { try SearchRequest(json: Array(body.utf8)) }
    #expect(error?.code == .validation)
    #expect(error?.message.contains(named) == true)
  }

  @Test func aCursorOfAnotherOrderIsRefused() async throws {
    let library = try await SearchIndexTests.library()
    let page = try await library.index.search(try SearchIndexTests.request(#"{"limit": 1}"#))
    let cursor = try #require(page.nextCursor)
    for body in [#"{"sort_by": "size", "cursor": "\#(cursor)"}"#, #"{"cursor": "bm9uc2Vuc2U"}"#] {
      await #expect(throws: APIError.self) {
        try await library.index.search(try SearchIndexTests.request(body))
      }
    }
  }
}
