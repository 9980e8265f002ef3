internal import FoundationEssentials

/// Any JSON value: for what clients may shape themselves (`metadata`). Integers stay integers.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
}

extension JSONValue: Codable {
  public init(from decoder: any Decoder) throws {
    // What holds others comes first: each failed try costs as much as the value lies deep, and a value that is tried
    // for every kind on every level costs the cube of its depth.
    if var elements = try? decoder.unkeyedContainer() {  // a failed try is another kind
      var values: [JSONValue] = []
      while !elements.isAtEnd { values.append(try elements.decode(JSONValue.self)) }
      self = .array(values)
      return
    }
    if let members = try? decoder.container(keyedBy: MemberName.self) {  // as above: another kind
      var values: [String: JSONValue] = [:]
      for name in members.allKeys { values[name.stringValue] = try members.decode(JSONValue.self, forKey: name) }
      self = .object(values)
      return
    }
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {  // a failed try is another kind
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {  // as above: another kind
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {  // as above: another kind
      self = .number(value)
    } else {
      self = .string(try container.decode(String.self))
    }
  }

  private struct MemberName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }
}

extension JSONWriter {
  /// Members in the order of their names, so that one value has one text.
  public mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .integer(let value): integer(value)
    case .number(let value): number(value)
    case .string(let value): string(value)
    case .array(let values): array { writer in for value in values { writer.value(value) } }
    case .object(let members):
      object { writer in
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
          writer.key(name)
          writer.value(member)
        }
      }
    }
  }
}

/// Codable from and to bytes, with one encoder and decoder set-up for the whole product.
public enum JSON {
  /// Arrays and objects in one another. Nothing of ours comes near; what is nested more deeply is refused unread, for
  /// decoding costs more than the depth's square.
  public static let depthMax = 32

  /// More than `depthMax` levels.
  public struct NestedTooDeeply: Error {}

  /// Decodes `T`. Throws `DecodingError` or `NestedTooDeeply`. `bytes` must already be bounded by the caller.
  public static func decode<T: Decodable>(_ type: T.Type, from bytes: some Sequence<UInt8>) throws -> T {
    let bytes = Array(bytes)
    guard isShallow(bytes) else { throw NestedTooDeeply() }
    return try JSONDecoder().decode(type, from: Data(bytes))
  }

  /// Whether no place of the text lies deeper than `depthMax`. Text that is no JSON may pass.
  private static func isShallow(_ text: [UInt8]) -> Bool {
    var depth = 0
    var isString = false
    var isEscaped = false
    for byte in text {
      if isEscaped {
        isEscaped = false
      } else if isString {
        isEscaped = byte == UInt8(ascii: "\\")
        isString = byte != UInt8(ascii: "\"")
      } else {
        switch byte {
        case UInt8(ascii: "\""): isString = true
        case UInt8(ascii: "["), UInt8(ascii: "{"):
          depth += 1
          if depth > depthMax { return false }
        case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
        default: break
        }
      }
    }
    return true
  }

  /// Encodes with sorted keys and without escaping slashes, so that one value has one text.
  public static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  /// What was wrong, for a client: names the field, never repeats the whole input.
  public static func explain(_ error: any Error) -> String {
    if error is NestedTooDeeply { return "nested more than \(depthMax) levels deep" }
    guard let error = error as? DecodingError else { return "not valid JSON" }
    func path(_ context: DecodingError.Context) -> String {
      context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
    return switch error {
    case .typeMismatch(let expected, let context): "\(path(context)): expected \(expected)"
    case .valueNotFound(let expected, let context): "\(path(context)): expected \(expected), found null"
    case .keyNotFound(let key, let context):
      "\((path(context).isEmpty ? "" : path(context) + "."))\(key.stringValue) is missing"
    case .dataCorrupted(let context):
      path(context).isEmpty ? "not valid JSON" : "\(path(context)): \(context.debugDescription)"
    @unknown default: "not valid JSON"
    }
  }
}
