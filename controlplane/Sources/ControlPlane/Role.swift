/// What a process of the control plane can be. Any subset runs in one process; each has its own port.
public enum Role: String, Sendable, Hashable, CaseIterable {
  case admin
  case ingester
  case query
  case console

  /// `admin,query`: in any order, each at most once counted. Throws naming the unknown one.
  static func parse(_ names: [String]) throws(CommandError) -> Set<Role> {
    var roles: Set<Role> = []
    for name in names where !name.isEmpty {
      guard let role = Role(rawValue: name) else {
        let known = allCases.map(\.rawValue).joined(separator: ", ")
        throw CommandError("unknown role '\(name)'; there are \(known)", exitCode: .usage)
      }
      roles.insert(role)
    }
    guard !roles.isEmpty else {
      throw CommandError("no role is named; try --roles admin,ingester,query,console", exitCode: .usage)
    }
    return roles
  }
}
