/// A request method (RFC 9110 §9). `TRACE`, `CONNECT` and `QUERY` are known and never served (405); every other one is
/// `other` (501).
public enum HTTPMethod: String, Hashable, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case put = "PUT"
  case post = "POST"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"
  case trace = "TRACE"
  case connect = "CONNECT"
  case query = "QUERY"
  case other = "*"
}

/// A status code (RFC 9110 §15).
public struct HTTPStatus: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  public static let ok = HTTPStatus(rawValue: 200)
  public static let created = HTTPStatus(rawValue: 201)
  public static let accepted = HTTPStatus(rawValue: 202)
  public static let noContent = HTTPStatus(rawValue: 204)
  public static let partialContent = HTTPStatus(rawValue: 206)
  public static let multiStatus = HTTPStatus(rawValue: 207)
  public static let seeOther = HTTPStatus(rawValue: 303)
  public static let notModified = HTTPStatus(rawValue: 304)
  public static let badRequest = HTTPStatus(rawValue: 400)
  public static let unauthorized = HTTPStatus(rawValue: 401)
  public static let forbidden = HTTPStatus(rawValue: 403)
  public static let notFound = HTTPStatus(rawValue: 404)
  public static let methodNotAllowed = HTTPStatus(rawValue: 405)
  public static let requestTimeout = HTTPStatus(rawValue: 408)
  public static let conflict = HTTPStatus(rawValue: 409)
  public static let gone = HTTPStatus(rawValue: 410)
  public static let lengthRequired = HTTPStatus(rawValue: 411)
  public static let preconditionFailed = HTTPStatus(rawValue: 412)
  public static let contentTooLarge = HTTPStatus(rawValue: 413)
  public static let uriTooLong = HTTPStatus(rawValue: 414)
  public static let unsupportedMediaType = HTTPStatus(rawValue: 415)
  public static let rangeNotSatisfiable = HTTPStatus(rawValue: 416)
  public static let expectationFailed = HTTPStatus(rawValue: 417)
  public static let unprocessableContent = HTTPStatus(rawValue: 422)
  public static let locked = HTTPStatus(rawValue: 423)
  public static let tooManyRequests = HTTPStatus(rawValue: 429)
  public static let headerFieldsTooLarge = HTTPStatus(rawValue: 431)
  /// Of tus 1.0 (its checksum extension), not of HTTP.
  public static let checksumMismatch = HTTPStatus(rawValue: 460)
  public static let internalServerError = HTTPStatus(rawValue: 500)
  public static let notImplemented = HTTPStatus(rawValue: 501)
  public static let badGateway = HTTPStatus(rawValue: 502)
  public static let serviceUnavailable = HTTPStatus(rawValue: 503)
  public static let versionNotSupported = HTTPStatus(rawValue: 505)
  public static let insufficientStorage = HTTPStatus(rawValue: 507)
}

/// An ordered list of header fields for a response. Names are written as given; look-up ignores ASCII case.
public struct HeaderFields: Sendable, ExpressibleByDictionaryLiteral {
  public private(set) var fields: [(name: String, value: String)]

  public init() { fields = [] }

  public init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { (name: $0.0, value: $0.1) } }

  /// The first value under `name`. Setting replaces every one; nil removes them.
  public subscript(_ name: String) -> String? {
    get { fields.first { $0.name.equalsIgnoringASCIICase(name) }?.value }
    set {
      fields.removeAll { $0.name.equalsIgnoringASCIICase(name) }
      if let newValue { fields.append((name: name, value: newValue)) }
    }
  }

  public mutating func append(_ name: String, _ value: String) { fields.append((name: name, value: value)) }
}

extension String {
  /// Field names and many tokens compare so (RFC 9110 §5.1).
  public func equalsIgnoringASCIICase(_ other: String) -> Bool {
    guard utf8.count == other.utf8.count else { return false }
    var (a, b) = (self, other)
    return a.withUTF8 { a in
      b.withUTF8 { b in
        for index in a.indices where a[index] != b[index] {
          guard a[index] | 0x20 == b[index] | 0x20, (a[index] | 0x20) &- 0x61 < 26 else { return false }
        }
        return true
      }
    }
  }
}

extension StringProtocol {
  /// Field names and many tokens compare so (RFC 9110 §5.1).
  public func equalsIgnoringASCIICase(_ other: some StringProtocol) -> Bool {
    utf8.elementsEqual(other.utf8) { a, b in
      a == b || (a | 0x20 == b | 0x20 && (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(a | 0x20))
    }
  }
}
