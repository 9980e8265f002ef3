import Core
import Postgres
import PostgresTesting
import StorageAPI
import Telemetry

@testable import Catalogue

/// A fresh database with the catalogue's tables and two appliances in it.
struct CatalogueWorld {
  let pool: PostgresPool
  let files: FileCatalogue
  let elements: StorageElementTable
  let owner: FileID
  let other: FileID
  let random = SeededRandom(seed: 7)

  init() async throws {
    let configuration = PostgresConfiguration(url: try PrivatePostgres.database(), connectionsMax: 4)
    pool = PostgresPool(configuration, time: SystemTime(), logger: .silent)
    try await Migrator(pool: pool, migrations: CatalogueMigrations.all, logger: .silent).run()
    files = FileCatalogue(pool: pool)
    elements = StorageElementTable(pool: pool)
    owner = try await Self.register(elements, "one", random).id
    other = try await Self.register(elements, "two", random).id
  }

  private static func register(
    _ elements: StorageElementTable, _ name: String, _ random: SeededRandom
  ) async throws -> StorageElement {
    try await elements.register(
      .init(
        id: .random(random), name: name, url: "https://\(name):8010", storageID: "storage-\(name)", mode: .rw,
        version: "1", priority: 100, spki: Checksum(bytes: random.bytes(32))!,
        certificateExpiresAt: Timestamp(seconds: 2_000_000_000)))
  }

  func record(
    _ id: FileID? = nil, name: String = "report.pdf", size: Int = 10, uploadedAt: Int64 = 1_790_000_000,
    status: FileStatus = .active, by subject: String = "sa_one"
  ) -> FileRecord {
    FileRecord(
      fileID: id ?? .random(random), originalFilename: name, contentType: "application/pdf", size: size,
      checksum: Checksum(bytes: Array(repeating: 7, count: 32))!, uploadedBy: subject,
      uploadedAt: Timestamp(seconds: uploadedAt), status: status, retentionPolicy: .permanent,
      description: "Отчёт за \\ год\tдва", tags: ["a,b", "ё\"\\"],
      metadata: ["case": .integer(17), "name": .string("стр\n")])
  }

  func at(_ lsn: Int64, epoch: Int64 = 1) -> RowPosition { RowPosition(epoch: epoch, lsn: lsn) }

  /// One page: staged, written and, up to `budget` missing files, marked.
  func apply(
    _ rows: [SyncRow], owner: FileID? = nil, epoch: Int64 = 1, sweep: SyncSweep? = nil, budget: Int = 0
  ) async throws -> (counts: SyncCounts, marked: Int) {
    try await pool.transaction { connection in
      try await apply(rows, owner: owner, epoch: epoch, sweep: sweep, budget: budget, on: connection)
    }
  }

  func apply(
    _ rows: [SyncRow], owner: FileID? = nil, epoch: Int64 = 1, sweep: SyncSweep? = nil, budget: Int = 0,
    on connection: PostgresConnection
  ) async throws -> (counts: SyncCounts, marked: Int) {
    let owner = owner ?? self.owner
    var chunks: [[UInt8]] = rows.enumerated().map { number, row in
      var text: [UInt8] = []
      row.appendCopyText(number: number, to: &text)
      return text
    }
    let staged = try await files.stage(on: connection, timeout: .seconds(10)) {
      chunks.isEmpty ? nil : chunks.removeFirst()
    }
    let page = StagedPage(
      owner: owner, epoch: epoch, rows: staged, hasRepeatedIDs: Set(rows.map(\.fileID)).count < rows.count)
    let counts = try await files.apply(page, sweep: sweep, on: connection)
    guard let sweep, counts.missing > 0, counts.missing <= budget else { return (counts, 0) }
    return (counts, try await files.markMissing(sweep, owner: owner, on: connection))
  }
}
