/// What went wrong between us and PostgreSQL: what was attempted, on what, and why it failed. Never holds bind values.
public struct PostgresError: Error, Sendable {
  /// The kind of failure, as far as a caller can act on it.
  public enum Kind: Sendable, Hashable {
    /// No connection could be made, or the one in use broke. Whether the statement took effect is unknown.
    case connection
    /// PostgreSQL answered with an error; the SQLSTATE is its five characters (PostgreSQL manual, appendix A).
    case server(sqlState: String)
    /// Our deadline passed; the statement was cancelled.
    case timedOut
    /// The wait queue of the pool is full, or nobody gave a connection back in time.
    case overloaded
    /// The task was cancelled.
    case cancelled
    /// A value is not of the type asked for.
    case decoding
    /// The pool was shut down.
    case closed
    /// A migration is not applicable (changed text, gap in numbers).
    case migration
  }

  public let kind: Kind
  /// What was attempted and why it failed; for the log, not for clients.
  public let message: String
  /// The violated constraint, where PostgreSQL names one.
  public let constraint: String?

  public init(_ kind: Kind, _ message: String, constraint: String? = nil) {
    self.kind = kind
    self.message = message
    self.constraint = constraint
  }

  /// The five characters of SQLSTATE, for errors that came from PostgreSQL.
  public var sqlState: String? {
    if case .server(let state) = kind { state } else { nil }
  }

  /// `unique_violation`: a row with this key is there already.
  public var isUniqueViolation: Bool { sqlState == "23505" }

  /// `foreign_key_violation`.
  public var isForeignKeyViolation: Bool { sqlState == "23503" }

  /// `query_canceled`: by `statement_timeout` or by us.
  public var isStatementTimeout: Bool { sqlState == "57014" || kind == .timedOut }

  /// Worth repeating the whole transaction: `serialization_failure`, `deadlock_detected`.
  public var isRetryable: Bool { sqlState == "40001" || sqlState == "40P01" }
}

extension PostgresError: CustomStringConvertible {
  public var description: String {
    let state = sqlState.map { " [\($0)]" } ?? ""
    return "postgres\(state): \(message)" + (constraint.map { " (constraint \($0))" } ?? "")
  }
}
