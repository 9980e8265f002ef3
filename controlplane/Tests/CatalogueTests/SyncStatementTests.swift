import Core
import FoundationEssentials
import Testing

@testable import Catalogue
@testable import Postgres

/// `make bench` measures syncs against psql running the same statement: `Tests/Benchmarks/sync_page.sql` is that
/// statement with names in the place of its values. `ARTSTORE_WRITE_SCHEMA=1 swift test --filter SyncStatement` writes
/// it anew.
@Suite struct SyncStatementTests {
  @Test func theBenchRunsOurStatement() throws {
    let random = SeededRandom(seed: 3)
    let (owner, after, through) = (FileID.random(random), FileID.random(random), FileID.random(random))
    let page = StagedPage(owner: owner, epoch: 101, rows: 5, hasRepeatedIDs: false)
    let sweep = SyncSweep(after: after, through: through, position: RowPosition(epoch: 102, lsn: 103))
    let query = SyncStatement.merge(page, 104..<105, sweep: sweep)
    let names: [(Query, String)] = [
      ("\(owner)", "owner"), ("\(after)", "after"), ("\(through)", "through"), ("\(Int64(101))", "epoch"),
      ("\(Int64(102))", "epoch"), ("\(Int64(103))", "lsn"), ("\(104)", "first"), ("\(105)", "behind"),
    ]
    var text = query.text
    for (index, bind) in query.binds.enumerated().reversed() {
      let name = try #require(names.first { $0.0.binds[0].bytes == bind.bytes }?.1)
      text = text.replacing("$\(index + 1)", with: "@\(name)@")
    }
    #expect(!text.contains("$"))
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    let file = URL(filePath: "/\(root)/Tests/Benchmarks/sync_page.sql")
    let made =
      "-- Written by SyncStatementTests; see there.\nCREATE TEMP TABLE IF NOT EXISTS sync_page (\n"
      + "\(FileCatalogue.pageColumns)\n) ON COMMIT DELETE ROWS;\n-- statement\n\(text)\n"
    if ProcessInfo.processInfo.environment["ARTSTORE_WRITE_SCHEMA"] == "1" {
      try Data(made.utf8).write(to: file)
    }
    #expect(try String(decoding: Data(contentsOf: file), as: UTF8.self) == made)
  }
}
