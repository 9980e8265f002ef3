internal import Core
internal import HTTP
internal import StorageAPI

/// The text fields of an upload form, checked as the contract has them.
struct UploadFields: Sendable {
  static let names: Set<String> = ["description", "tags", "retention_policy", "ttl_days", "metadata"]
  /// Bytes of one field: the whole record has 4 KiB.
  static let bytesMax = 8192

  private(set) var values: [(name: String, value: String)] = []
  private(set) var retentionPolicy: RetentionPolicy?
  private var ttlDays: Int?

  /// Temporary if unsaid.
  var effectivePolicy: RetentionPolicy { retentionPolicy ?? .temporary }

  /// Takes one field; `VALIDATION_ERROR` names it when it is unknown, repeated or wrong.
  mutating func take(_ name: String, _ value: String) throws(APIError) {
    guard Self.names.contains(name) else {
      throw RecordValidation.refuse(String(name.prefix(100)), "is not a field of an upload; remove it")
    }
    guard !values.contains(where: { $0.name == name }) else {
      throw RecordValidation.refuse(name, "stands there twice; send it once")
    }
    switch name {
    case "description": try RecordValidation.description(value)
    case "tags": try RecordValidation.tags(Self.decode([String].self, name, value, "a JSON array of texts"))
    case "metadata": try RecordValidation.metadata(Self.decode([String: JSONValue].self, name, value, "a JSON object"))
    case "ttl_days":
      guard let days = Int(value) else { throw RecordValidation.refuse(name, "must be a whole number from 1 to 365") }
      try RecordValidation.ttlDays(days)
      ttlDays = days
    default:
      guard let policy = RetentionPolicy(rawValue: value) else {
        throw RecordValidation.refuse(name, "must be temporary or permanent")
      }
      retentionPolicy = policy
    }
    values.append((name, value))
    if effectivePolicy == .permanent, ttlDays != nil {
      throw RecordValidation.refuse("ttl_days", "only temporary documents expire; leave it out for permanent ones")
    }
  }

  /// What goes to the appliance, the policy spelled out.
  var outgoing: [(name: String, value: String)] {
    retentionPolicy == nil ? values + [("retention_policy", effectivePolicy.rawValue)] : values
  }

  private static func decode<T: Decodable>(
    _ type: T.Type, _ name: String, _ value: String, _ expected: String
  ) throws(APIError) -> T {
    do {
      return try JSON.decode(type, from: value.utf8)
    } catch {
      throw RecordValidation.refuse(name, "must be \(expected)")
    }
  }
}
