/// One key of a program's configuration: its type, default and meaning. A program keeps all of its settings in one
/// table.
public struct Setting<Value: Sendable>: Sendable {
  public let key: String
  public let kind: SettingKind<Value>
  /// Used when neither environment nor file has the key; nil makes the key required.
  public let defaultValue: Value?
  public let unit: String?
  public let doc: String
  /// Never shown by `--print-config`, never repeated in errors.
  public let isSecret: Bool

  public init(
    _ key: String, _ kind: SettingKind<Value>, default defaultValue: Value? = nil, unit: String? = nil, doc: String,
    isSecret: Bool = false
  ) {
    self.key = key
    self.kind = kind
    self.defaultValue = defaultValue
    self.unit = unit
    self.doc = doc
    self.isSecret = isSecret
  }
}

extension Setting {
  /// A key that may be absent.
  public static func optional<Wrapped: Sendable>(
    _ key: String, _ kind: SettingKind<Wrapped>, unit: String? = nil, doc: String, isSecret: Bool = false
  ) -> Setting<Wrapped?> where Value == Wrapped? {
    Setting<Wrapped?>(key, .optional(kind), default: .some(nil), unit: unit, doc: doc, isSecret: isSecret)
  }
}

/// A setting whatever its type: what a table holds.
public protocol AnySetting: Sendable {
  var key: String { get }
  var unit: String? { get }
  var doc: String { get }
  var isSecret: Bool { get }
  /// What kind of value is expected, in words.
  var kindName: String { get }
  /// The default as one would write it; nil when the key is required.
  var defaultText: String? { get }

  /// The parsed value, or what is wrong with the text (the text itself is not repeated).
  func parsed(_ text: String?) -> Result<any Sendable, SettingProblem>
}

/// What is wrong with a value, as the end of a sentence: "must be …".
public struct SettingProblem: Error, Sendable {
  public let words: String

  public init(_ words: String) { self.words = words }
}

extension Setting: AnySetting {
  public var kindName: String { kind.name }

  public var defaultText: String? { defaultValue.map(kind.describe) }

  public func parsed(_ text: String?) -> Result<any Sendable, SettingProblem> {
    guard let text else {
      guard let defaultValue else { return .failure(SettingProblem("is required: \(doc)")) }
      return .success(defaultValue)
    }
    return kind.parse(text).map { $0 as any Sendable }
  }
}
