public import Core

/// How an act ended.
public enum AuditResult: String, Codable, Sendable, Hashable, CaseIterable {
  case ok
  /// The rules said no: wrong password, lacking scope, locked.
  case refused
  /// It was allowed and went wrong.
  case failed
}

/// One security-relevant act: who, what, on what, from where, how it ended. Never holds a secret.
public struct AuditEntry: Sendable, Hashable {
  /// Subject of the token or session; `anonymous` when nobody was known, `system` for the control plane itself.
  public var actor: String
  /// What was done, in words with dots: `service_account.create`.
  public var action: String
  /// On what: an id or a name; empty if on nothing in particular.
  public var target: String
  /// The address of the peer, or of whoever the gateway names.
  public var source: String
  public var result: AuditResult
  /// Trace id of the request (W3C), empty for none.
  public var trace: String
  /// Further facts.
  public var details: [String: JSONValue]

  public init(
    actor: String, action: String, target: String = "", source: String = "", result: AuditResult = .ok,
    trace: String = "", details: [String: JSONValue] = [:]
  ) {
    self.actor = actor
    self.action = action
    self.target = target
    self.source = source
    self.result = result
    self.trace = trace
    self.details = details
  }
}

/// An entry as it stands in the log.
public struct AuditRecord: Sendable, Hashable {
  /// 1, 2, 3, … without gaps.
  public let sequence: Int64
  public let at: Timestamp
  public let entry: AuditEntry
  /// The chain's code after this record: 32 bytes.
  public let code: [UInt8]

  /// The API's form.
  public func write(to json: inout JSONWriter) {
    json.object { json in
      json.member("sequence", sequence)
      json.member("at", at)
      json.member("actor", entry.actor)
      json.member("action", entry.action)
      json.member("target", entry.target)
      json.member("source", entry.source)
      json.member("result", entry.result.rawValue)
      json.member("trace_id", entry.trace)
      json.key("details")
      json.value(.object(entry.details))
      json.member("code", Hex.encode(code))
    }
  }
}

/// Who asks, for services that are called in process: goes into the audit.
public struct Actor: Sendable, Hashable {
  /// `sub` of the token, or the administrator's login.
  public var subject: String
  public var source: String
  public var trace: String

  public init(subject: String, source: String = "", trace: String = "") {
    self.subject = subject
    self.source = source
    self.trace = trace
  }

  /// The control plane acting by itself.
  public static let system = Actor(subject: "system")

  func did(
    _ action: String, on target: String = "", result: AuditResult = .ok, details: [String: JSONValue] = [:]
  ) -> AuditEntry {
    AuditEntry(
      actor: subject, action: action, target: target, source: source, result: result, trace: trace, details: details)
  }
}
