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
  public var allowedOperations: [String] { ApplianceOperation.allCases.filter(allows).map(\.rawValue) }

  /// Asked for each request, so it makes no list.
  public func allows(_ operation: ApplianceOperation) -> Bool {
    switch operation {
    case .list: true
    case .download: self != .ar
    case .upload, .update: self == .edit || self == .rw
    case .delete: self == .edit
    }
  }

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
