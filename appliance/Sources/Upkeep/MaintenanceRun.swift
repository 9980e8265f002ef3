public import Core

/// One pass over everything, and what it found.
public struct MaintenanceRun: Sendable {
  public enum Kind: String, Sendable, Hashable, CaseIterable { case reconcile, scrub }

  public let id: String
  public let kind: Kind
  public let startedAt: Timestamp
  /// Set at the end.
  public internal(set) var report: MaintenanceReport?
  /// Set when the pass could not be ended.
  public internal(set) var failure: String?

  public var isEnded: Bool { report != nil || failure != nil }
}

/// The contract's report of a pass.
public struct MaintenanceReport: Sendable, Hashable {
  /// The contract's kinds of findings.
  public enum IssueType: String, Sendable, Hashable, CaseIterable {
    case orphanedFile = "orphaned_file"
    case missingFile = "missing_file"
    case checksumMismatch = "checksum_mismatch"
    case sizeMismatch = "size_mismatch"
    case orphanedAttributes = "orphaned_attr"
  }

  public struct Issue: Sendable, Hashable {
    public let fileID: FileID?
    /// Below the data directory.
    public let path: String
    public let type: IssueType
    /// What was found and what was done about it.
    public let description: String

    public init(fileID: FileID?, path: String, type: IssueType, description: String) {
      self.fileID = fileID
      self.path = path
      self.type = type
      self.description = description
    }
  }

  /// More are counted but not listed.
  public static let issuesMax = 1000

  public var startedAt: Timestamp
  public var completedAt: Timestamp
  public var filesChecked = 0
  public internal(set) var issues: [Issue] = []
  public internal(set) var counts: [IssueType: Int] = [:]

  init(startedAt: Timestamp) {
    self.startedAt = startedAt
    completedAt = startedAt
  }

  mutating func add(_ issue: Issue) {
    counts[issue.type, default: 0] += 1
    if issues.count < Self.issuesMax { issues.append(issue) }
  }

  public var issueCount: Int { counts.values.reduce(0, +) }

  /// The contract's object.
  public var json: [UInt8] {
    JSONWriter.document(reserving: 512 + issues.count * 200) { json in
      json.object { json in
        json.member("started_at", startedAt)
        json.member("completed_at", completedAt)
        json.member("files_checked", filesChecked)
        json.key("issues")
        json.array { json in for issue in issues { json.value(issue) } }
        json.key("summary")
        json.object { json in
          json.member("ok", max(0, filesChecked - issueCount))
          json.member("orphaned_files", count(.orphanedFile) + count(.orphanedAttributes))
          json.member("missing_files", count(.missingFile))
          json.member("checksum_mismatches", count(.checksumMismatch))
          json.member("size_mismatches", count(.sizeMismatch))
        }
      }
    }
  }

  private func count(_ type: IssueType) -> Int { counts[type] ?? 0 }
}

extension JSONWriter {
  fileprivate mutating func value(_ issue: MaintenanceReport.Issue) {
    object { json in
      json.key("file_id")
      if let id = issue.fileID { json.string(id.description) } else { json.null() }
      json.member("path", issue.path)
      json.member("type", issue.type.rawValue)
      json.member("description", issue.description)
    }
  }
}
