internal import Core
public import Disk

/// The index looked at without a store: for `fsck`. A missing one is no damage: it is made anew at the next start.
public struct OfflineIndex: Sendable {
  private let configuration: StoreConfiguration
  private let disk: any Disk
  private static let problemsMax = 20

  public init(_ configuration: StoreConfiguration, disk: any Disk) {
    self.configuration = configuration
    self.disk = disk
  }

  /// What is wrong with it: SQLite's own structure, rows that are not those that were written, counters that are not
  /// the sum of the rows, changes beyond `lastLSN`, the journal's end (nil: unknown). The caller holds the lock.
  /// Blocks.
  public func problems(lastLSN: UInt64?) -> [String] {
    let path = Index.file(in: configuration.indexDirectory)
    do {
      guard try disk.stat(path) != nil else { return [] }
      let connection = try SQLiteConnection(path, readOnly: true)
      let versions = try connection.statement("PRAGMA user_version")
      // Another version's is made anew by the next start, like a missing one.
      guard try versions.step(), versions.integer(0) == Index.version else { return [] }
      versions.reset()
      var found = try structure(connection)
      // Rows of a broken structure would only repeat it.
      guard found.isEmpty else { return found }
      let writer = try IndexWriter(connection)
      if let lastLSN, writer.appliedLSN > lastLSN {
        found.append("\(path) holds changes up to LSN \(writer.appliedLSN), the journal ends at \(lastLSN)")
      }
      found += try rows(connection, against: writer.totals, path)
      return found
    } catch {
      return ["\(path): \(error)"]
    }
  }

  private func structure(_ connection: SQLiteConnection) throws(SQLiteError) -> [String] {
    let check = try connection.statement("PRAGMA integrity_check(\(Self.problemsMax))")
    var found: [String] = []
    while try check.step() { if check.text(0) != "ok" { found.append("index: \(check.text(0))") } }
    return found
  }

  private func rows(
    _ connection: SQLiteConnection, against totals: IndexTotals, _ path: String
  ) throws(SQLiteError) -> [String] {
    var found: [String] = []
    var sums = IndexTotals()
    let statement = try connection.statement("SELECT \(Index.columns), digest_high, digest_low FROM files")
    while try statement.step() {
      let row = IndexRow(statement)
      let contribution = IndexTotals.contribution(row)
      let recorded = UInt128(statement.unsigned(9)) << 64 | UInt128(statement.unsigned(10))
      if contribution != recorded, found.count < Self.problemsMax {
        found.append("\(path): the row of \(row.id) is not what was written; reconcile, or rebuild-index")
      }
      if row.status >= 0, row.status < 3 {
        sums.add(row.id, status: row.status, size: row.size, contribution: recorded)
      }
    }
    if sums != totals { found.append("\(path): totals or digest are not those of the rows; rebuild-index") }
    return found
  }
}
