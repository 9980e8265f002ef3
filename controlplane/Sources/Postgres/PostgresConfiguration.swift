/// Where PostgreSQL is and how much of it we use.
public struct PostgresConfiguration: Sendable {
  /// A connection URI or a keyword string (PostgreSQL manual §34.1.1). Holds the password: never log it.
  public var url: String
  /// Connections in the pool.
  public var connectionsMax: Int
  /// Tasks that may wait for a connection; more are refused at once with `.overloaded`.
  public var waitersMax: Int
  /// How long one of them waits.
  public var acquireTimeout: Duration
  public var connectTimeout: Duration
  /// The deadline of a statement that is given none; also set as PostgreSQL's `statement_timeout`.
  public var statementTimeout: Duration

  public init(
    url: String, connectionsMax: Int = 16, waitersMax: Int = 256, acquireTimeout: Duration = .seconds(10),
    connectTimeout: Duration = .seconds(5), statementTimeout: Duration = .seconds(30)
  ) {
    self.url = url
    self.connectionsMax = connectionsMax
    self.waitersMax = waitersMax
    self.acquireTimeout = acquireTimeout
    self.connectTimeout = connectTimeout
    self.statementTimeout = statementTimeout
  }
}
