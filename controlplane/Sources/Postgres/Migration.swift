/// One numbered change to the tables of one module. Numbers start at 1 and have no gaps; released text never changes.
public struct Migration: Sendable, Hashable {
  public let module: String
  public let number: Int
  public let name: String
  /// One or more statements; applied in one transaction.
  public let sql: String

  public init(module: String, number: Int, name: String, sql: String) {
    self.module = module
    self.number = number
    self.name = name
    self.sql = sql
  }
}
