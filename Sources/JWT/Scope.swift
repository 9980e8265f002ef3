/// What a token may be used for.
public enum Scope: String, Sendable, Hashable, Codable, CaseIterable {
  case filesRead = "files:read"
  case filesWrite = "files:write"
  case storageRead = "storage:read"
  case storageWrite = "storage:write"
  case adminRead = "admin:read"
  case adminWrite = "admin:write"

  /// Whether it only reads.
  public var isRead: Bool { rawValue.hasSuffix(":read") }
}

/// What an administrator may do: `admin` everything, `readonly` every read.
public enum AdminRole: String, Sendable, Hashable, Codable, CaseIterable {
  case admin
  case readonly

  public func allows(_ scope: Scope) -> Bool { self == .admin || scope.isRead }
}
