public import Core

/// One value on its way to PostgreSQL: its type (`oid` of `pg_type`), and its bytes in text or binary form; nil is
/// NULL.
public struct Bind: Sendable {
  public let type: PostgresType
  public let bytes: [UInt8]?
  public let isBinary: Bool

  public init(_ type: PostgresType, text: String?) {
    self.type = type
    bytes = text.map { Array($0.utf8) }
    isBinary = false
  }

  public init(_ type: PostgresType, binary: [UInt8]?) {
    self.type = type
    bytes = binary
    isBinary = true
  }
}

/// Object ids of built-in types (`pg_type.dat` of PostgreSQL; fixed for ever).
public struct PostgresType: RawRepresentable, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let bool = PostgresType(rawValue: 16)
  public static let bytea = PostgresType(rawValue: 17)
  public static let int8 = PostgresType(rawValue: 20)
  public static let int4 = PostgresType(rawValue: 23)
  public static let text = PostgresType(rawValue: 25)
  public static let float8 = PostgresType(rawValue: 701)
  public static let timestamptz = PostgresType(rawValue: 1184)
  public static let uuid = PostgresType(rawValue: 2950)
  public static let jsonb = PostgresType(rawValue: 3802)
  public static let textArray = PostgresType(rawValue: 1009)
  public static let int8Array = PostgresType(rawValue: 1016)
  public static let uuidArray = PostgresType(rawValue: 2951)
}

/// What may be interpolated into a `Query`.
public protocol PostgresEncodable: Sendable {
  static var postgresType: PostgresType { get }
  var postgresBind: Bind { get }
}

extension String: PostgresEncodable {
  public static var postgresType: PostgresType { .text }
  /// Binary, because libpq would cut a text parameter at U+0000; this way PostgreSQL refuses it (22021).
  public var postgresBind: Bind { Bind(.text, binary: Array(utf8)) }
}

extension Int: PostgresEncodable {
  public static var postgresType: PostgresType { .int8 }
  public var postgresBind: Bind { Bind(.int8, text: String(self)) }
}

extension Int64: PostgresEncodable {
  public static var postgresType: PostgresType { .int8 }
  public var postgresBind: Bind { Bind(.int8, text: String(self)) }
}

extension Int32: PostgresEncodable {
  public static var postgresType: PostgresType { .int4 }
  public var postgresBind: Bind { Bind(.int4, text: String(self)) }
}

extension Double: PostgresEncodable {
  public static var postgresType: PostgresType { .float8 }
  public var postgresBind: Bind { Bind(.float8, text: description) }
}

extension Bool: PostgresEncodable {
  public static var postgresType: PostgresType { .bool }
  public var postgresBind: Bind { Bind(.bool, text: self ? "t" : "f") }
}

extension Timestamp: PostgresEncodable {
  public static var postgresType: PostgresType { .timestamptz }
  public var postgresBind: Bind { Bind(.timestamptz, text: description) }
}

extension FileID: PostgresEncodable {
  public static var postgresType: PostgresType { .uuid }
  public var postgresBind: Bind { Bind(.uuid, binary: bytes) }
}

extension Checksum: PostgresEncodable {
  public static var postgresType: PostgresType { .bytea }
  public var postgresBind: Bind { Bind(.bytea, binary: bytes) }
}

extension JSONValue: PostgresEncodable {
  public static var postgresType: PostgresType { .jsonb }
  public var postgresBind: Bind {
    let bytes = JSONWriter.document { $0.value(self) }
    return Bind(.jsonb, text: String(decoding: bytes, as: UTF8.self))
  }
}

/// Elements that have an array type: `[UInt8]` is `bytea`, `[String]` is `text[]`, `[FileID]` is `uuid[]`.
public protocol PostgresArrayElement: PostgresEncodable {
  static func postgresArrayBind(_ values: [Self]) -> Bind
  static var postgresArrayType: PostgresType { get }
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
  public static var postgresType: PostgresType { Element.postgresArrayType }
  public var postgresBind: Bind { Element.postgresArrayBind(self) }
}

extension UInt8: PostgresArrayElement {
  public static var postgresType: PostgresType { .int4 }
  public var postgresBind: Bind { Bind(.int4, text: String(self)) }
  public static var postgresArrayType: PostgresType { .bytea }
  public static func postgresArrayBind(_ values: [UInt8]) -> Bind { Bind(.bytea, binary: values) }
}

extension String: PostgresArrayElement {
  public static var postgresArrayType: PostgresType { .textArray }
  public static func postgresArrayBind(_ values: [String]) -> Bind { Bind(.textArray, text: ArrayText.write(values)) }
}

extension Int64: PostgresArrayElement {
  public static var postgresArrayType: PostgresType { .int8Array }
  public static func postgresArrayBind(_ values: [Int64]) -> Bind {
    Bind(.int8Array, text: ArrayText.write(values.map(String.init)))
  }
}

extension FileID: PostgresArrayElement {
  public static var postgresArrayType: PostgresType { .uuidArray }
  public static func postgresArrayBind(_ values: [FileID]) -> Bind {
    Bind(.uuidArray, text: ArrayText.write(values.map(\.description)))
  }
}
