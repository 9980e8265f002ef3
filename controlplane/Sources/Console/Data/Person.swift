internal import JWT

/// The person for whom something is done, as the audit names them.
struct Person: Sendable, Hashable {
  /// The administrator's id: `sub` of what Identity issues.
  let id: String
  let login: String
  let role: AdminRole
  /// The address the request came from.
  let remote: String
  /// The trace of the request.
  let trace: String
}

/// One page of a longer list; `nextCursor` continues it and is opaque.
struct Slice<Item: Sendable>: Sendable {
  var items: [Item]
  var nextCursor: String?

  init(_ items: [Item], nextCursor: String? = nil) {
    self.items = items
    self.nextCursor = nextCursor
  }
}
