/// What an appliance may do (DESIGN §4.4).
public enum ApplianceMode: String, Sendable, Hashable, Codable, CaseIterable {
  /// Upload, download, update, delete; temporary documents.
  case edit
  /// Upload, download, update; permanent documents.
  case rw
  /// Download and list.
  case ro
  /// Metadata only: the documents themselves are elsewhere.
  case ar

  /// What the mode allows, as `/info` names it.
  public var allowedOperations: [String] {
    switch self {
    case .edit: ["upload", "download", "update", "delete", "list"]
    case .rw: ["upload", "download", "update", "list"]
    case .ro: ["download", "list"]
    case .ar: ["list"]
    }
  }

  public func allows(_ operation: ApplianceOperation) -> Bool { allowedOperations.contains(operation.rawValue) }

  /// The retention of new documents.
  public var retentionPolicy: RetentionPolicy { self == .edit ? .temporary : .permanent }

  /// Whether the mode may change to `target` by API, and at what price.
  public func transition(to target: ApplianceMode) -> ModeTransition {
    switch (self, target) {
    case (.rw, .ro): .allowed
    case (.ro, .rw), (.ro, .ar): .needsConfirmation
    default: .refused
    }
  }
}

public enum ModeTransition: Sendable, Hashable { case allowed, needsConfirmation, refused }

public enum ApplianceOperation: String, Sendable, Hashable, CaseIterable {
  case upload, download, update, delete, list
}
