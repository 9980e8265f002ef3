public import Core
internal import CPostgres

/// The answer to one statement. Rows keep libpq's buffer alive; nothing is decoded before it is asked for.
public struct Rows: RandomAccessCollection, Sendable {
  let result: ResultBuffer
  /// How many rows an INSERT, UPDATE, DELETE, MERGE, COPY or SELECT touched.
  public let affected: Int

  public var startIndex: Int { 0 }
  public var endIndex: Int { result.count }
  public subscript(position: Int) -> Row { Row(result: result, index: Int32(position)) }

  /// The first column of the first row, which must be there.
  public func scalar<T: PostgresDecodable>(_ type: T.Type = T.self) throws(PostgresError) -> T {
    guard let row = first else { throw PostgresError(.decoding, "expected one row of \(T.self), got none") }
    return try row.decode(0)
  }
}

/// One row. Columns by name or by position from 0.
public struct Row: Sendable {
  let result: ResultBuffer
  let index: Int32

  /// The value of the column `name`, decoded as `type`. Throws `PostgresError` of kind `.decoding`.
  public subscript<T: PostgresDecodable>(_ name: String, as type: T.Type) -> T {
    get throws(PostgresError) { try decode(name) }
  }

  public func decode<T: PostgresDecodable>(_ name: String, as type: T.Type = T.self) throws(PostgresError) -> T {
    let column = PQfnumber(result.pointer, name)
    guard column >= 0 else { throw PostgresError(.decoding, "the answer has no column \(name)") }
    return try value(column)
  }

  public func decode<T: PostgresDecodable>(_ column: Int, as type: T.Type = T.self) throws(PostgresError) -> T {
    guard column >= 0, column < Int(PQnfields(result.pointer)) else {
      throw PostgresError(.decoding, "the answer has no column \(column)")
    }
    return try value(Int32(column))
  }

  public func isNull(_ name: String) -> Bool {
    let column = PQfnumber(result.pointer, name)
    return column >= 0 && PQgetisnull(result.pointer, index, column) == 1
  }

  private func value<T: PostgresDecodable>(_ column: Int32) throws(PostgresError) -> T {
    let text: UnsafeBufferPointer<UInt8>?
    if PQgetisnull(result.pointer, index, column) == 1 {
      text = nil
    } else {
      let count = Int(PQgetlength(result.pointer, index, column))
      text = PQgetvalue(result.pointer, index, column).map { start in
        UnsafeBufferPointer(start: UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self), count: count)
      }
    }
    guard let value = T(postgresText: text) else {
      let name = PQfname(result.pointer, column).map { String(cString: $0) } ?? "?"
      throw PostgresError(.decoding, "column \(name) is \(text == nil ? "NULL" : "not readable as \(T.self)")")
    }
    return value
  }
}

/// Owns a `PGresult`.
final class ResultBuffer: @unchecked Sendable {  // libpq never changes a finished PGresult; freed once, in deinit
  let pointer: OpaquePointer
  let count: Int

  init(_ pointer: OpaquePointer) {
    self.pointer = pointer
    count = Int(PQntuples(pointer))
  }

  deinit { PQclear(pointer) }

  var rows: Rows {
    let text = PQcmdTuples(pointer).map { String(cString: $0) } ?? ""
    return Rows(result: self, affected: Int(text) ?? count)
  }
}

/// What a column can be read as, from PostgreSQL's text form with `TimeZone=UTC`, `DateStyle=ISO`, `bytea_output=hex`.
public protocol PostgresDecodable: Sendable {
  /// `postgresText` is nil for NULL. Nil result: the value is not of this type.
  init?(postgresText: UnsafeBufferPointer<UInt8>?)
}

extension String: PostgresDecodable {
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard let postgresText else { return nil }
    self = String(decoding: postgresText, as: UTF8.self)
  }
}

extension PostgresDecodable where Self: LosslessStringConvertible {
  /// For types whose text form is PostgreSQL's.
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard let postgresText else { return nil }
    self.init(String(decoding: postgresText, as: UTF8.self))
  }
}

extension Int: PostgresDecodable {}
extension Int64: PostgresDecodable {}
extension Int32: PostgresDecodable {}
extension Double: PostgresDecodable {}
extension FileID: PostgresDecodable {}

extension Bool: PostgresDecodable {
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    switch postgresText?.first {
    case UInt8(ascii: "t"): self = true
    case UInt8(ascii: "f"): self = false
    default: return nil
    }
  }
}

extension Timestamp: PostgresDecodable {
  /// `2026-11-20 14:30:12.123456+00`.
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard let postgresText, postgresText.count >= 22 else { return nil }
    var text = Array(postgresText)
    guard text.suffix(3).elementsEqual("+00".utf8) else { return nil }
    text.removeLast(3)
    text[10] = UInt8(ascii: "T")
    text.append(UInt8(ascii: "Z"))
    self.init(String(decoding: text, as: UTF8.self))
  }
}

extension Checksum: PostgresDecodable {
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard let bytes = [UInt8](postgresText: postgresText) else { return nil }
    self.init(bytes: bytes)
  }
}

extension JSONValue: PostgresDecodable {
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard let postgresText else { return nil }
    // An undecodable document is reported by the caller as a decoding error of its column.
    guard let value = try? JSON.decode(JSONValue.self, from: Array(postgresText)) else {  // nil says so, see above
      return nil
    }
    self = value
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard postgresText != nil else {
      self = .none
      return
    }
    guard let value = Wrapped(postgresText: postgresText) else { return nil }
    self = .some(value)
  }
}

/// Elements whose arrays can be read: `[UInt8]` from `bytea`, `[String]` from `text[]`, `[FileID]` from `uuid[]`.
public protocol PostgresArrayDecodable: PostgresDecodable {
  static func postgresArray(_ text: UnsafeBufferPointer<UInt8>) -> [Self]?
}

extension PostgresArrayDecodable where Self: LosslessStringConvertible {
  public static func postgresArray(_ text: UnsafeBufferPointer<UInt8>) -> [Self]? {
    guard let elements = ArrayText.read(text) else { return nil }
    let values = elements.compactMap { $0.flatMap { Self($0) } }
    return values.count == elements.count ? values : nil
  }
}

extension String: PostgresArrayDecodable {}
extension FileID: PostgresArrayDecodable {}
extension Int64: PostgresArrayDecodable {}

extension UInt8: PostgresDecodable {}
extension UInt8: PostgresArrayDecodable {
  public static func postgresArray(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard text.count >= 2, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x") else { return nil }
    return Hex.decode(String(decoding: text.dropFirst(2), as: UTF8.self))
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayDecodable {
  public init?(postgresText: UnsafeBufferPointer<UInt8>?) {
    guard let postgresText, let values = Element.postgresArray(postgresText) else { return nil }
    self = values
  }
}
