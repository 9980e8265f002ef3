/// A media type (RFC 9110 §8.3.1): `text/html; charset=utf-8`.
public struct MediaType: Hashable, Sendable, CustomStringConvertible {
  /// Lower case.
  public let type: String
  /// Lower case.
  public let subtype: String
  /// Names in lower case.
  public let parameters: [String: String]

  public init(_ type: String, _ subtype: String, parameters: [String: String] = [:]) {
    self.type = type
    self.subtype = subtype
    self.parameters = parameters
  }

  /// nil for anything that is not `token/token` with well-formed parameters.
  public init?(parsing text: some StringProtocol) {
    guard text.utf8.count <= 1024, let fields = FieldParameters(text) else { return nil }
    let halves = fields.value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2, halves.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(FieldGrammar.isToken) }) else {
      return nil
    }
    type = halves[0].lowercased()
    subtype = halves[1].lowercased()
    parameters = Dictionary(fields.parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  /// `type/subtype`, without parameters.
  public var essence: String { "\(type)/\(subtype)" }

  public var description: String {
    parameters.sorted { $0.key < $1.key }.reduce(essence) { text, parameter in
      let isToken = !parameter.value.isEmpty && parameter.value.utf8.allSatisfy(FieldGrammar.isToken)
      let quoted = parameter.value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      return text + "; \(parameter.key)=" + (isToken ? parameter.value : "\"\(quoted)\"")
    }
  }

  /// Whether an `Accept` field (RFC 9110 §12.5.1) names this very type with a weight above 0; wildcards don't count.
  /// For what a client must ask for by name (`application/x-ndjson`).
  public func isNamed(inAccept accept: String?) -> Bool {
    guard let accept else { return false }
    return accept.split(separator: ",").contains { member in
      guard let other = MediaType(parsing: member.trimmingOptionalWhitespace()) else { return false }
      return other.type == type && other.subtype == subtype && other.parameters["q"].flatMap(Double.init) != 0
    }
  }
}
