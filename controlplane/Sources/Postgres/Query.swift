/// A statement with its values apart from its text. Interpolated values become binds (`$1`, `$2`, …), never text:
///
///     "SELECT size FROM files WHERE file_id = \(id) AND status = \(status)"
///
/// Text that must be part of the statement itself (a column chosen from a fixed list) has to be spelled
/// `\(unsafeRaw: …)`; it must never come from outside.
public struct Query: Sendable, ExpressibleByStringInterpolation {
  /// The statement as PostgreSQL gets it.
  public private(set) var text: String
  /// The values of `$1`, `$2`, … in order.
  public private(set) var binds: [Bind]

  public init(stringLiteral value: String) {
    text = value
    binds = []
  }

  public init(stringInterpolation: StringInterpolation) {
    text = stringInterpolation.text
    binds = stringInterpolation.binds
  }

  /// A statement from fixed text without values; `text` must never come from outside.
  public init(unsafeRaw text: String) {
    self.text = text
    binds = []
  }

  /// Joins fragments, renumbering their binds: for filters that are present or not.
  public mutating func append(_ fragment: Query) {
    if fragment.binds.isEmpty {
      text += fragment.text
      return
    }
    text += Self.renumbered(fragment.text, by: binds.count)
    binds += fragment.binds
  }

  public static func + (a: Query, b: Query) -> Query {
    var sum = a
    sum.append(b)
    return sum
  }

  public static func += (a: inout Query, b: Query) { a.append(b) }

  /// `a AND b AND c`, in this order; `empty` when there is nothing to join.
  public static func joined(_ fragments: [Query], by separator: Query, empty: Query) -> Query {
    guard var sum = fragments.first else { return empty }
    for fragment in fragments.dropFirst() {
      sum.append(separator)
      sum.append(fragment)
    }
    return sum
  }

  /// Adds `offset` to every `$n`. A `$` inside a quoted literal of ours is not followed by a digit.
  private static func renumbered(_ text: String, by offset: Int) -> String {
    guard offset > 0 else { return text }
    var out: [UInt8] = []
    var number: Int?
    for byte in text.utf8 {
      if let digits = number, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
        number = digits * 10 + Int(byte - UInt8(ascii: "0"))
        continue
      }
      if let digits = number {
        if digits > 0 { out.append(contentsOf: String(digits + offset).utf8) }
        number = nil
      }
      out.append(byte)
      if byte == UInt8(ascii: "$") { number = 0 }
    }
    if let digits = number, digits > 0 { out.append(contentsOf: String(digits + offset).utf8) }
    return String(decoding: out, as: UTF8.self)
  }

  public struct StringInterpolation: StringInterpolationProtocol, Sendable {
    var text = ""
    var binds: [Bind] = []

    public init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity + interpolationCount * 3)
      binds.reserveCapacity(interpolationCount)
    }

    public mutating func appendLiteral(_ literal: String) { text += literal }

    /// A value: becomes the next bind.
    public mutating func appendInterpolation(_ value: some PostgresEncodable) {
      binds.append(value.postgresBind)
      text += "$\(binds.count)"
    }

    /// A value or NULL.
    public mutating func appendInterpolation<T: PostgresEncodable>(_ value: T?) {
      binds.append(value?.postgresBind ?? Bind(T.postgresType, text: nil))
      text += "$\(binds.count)"
    }

    /// Another fragment with its own binds.
    public mutating func appendInterpolation(_ fragment: Query) {
      var joined = Query(unsafeRaw: text)
      joined.adopt(binds)
      joined.append(fragment)
      (text, binds) = (joined.text, joined.binds)
    }

    /// Fixed text of our own: a column name out of an enumeration. Never anything a client sent.
    public mutating func appendInterpolation(unsafeRaw raw: String) { text += raw }
  }

  fileprivate mutating func adopt(_ binds: [Bind]) { self.binds = binds }
}
