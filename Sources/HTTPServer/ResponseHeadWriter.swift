internal import Core
internal import HTTP

/// Writes status lines and fields into memory that is used again. Knows the second's `Date`.
struct ResponseHeadWriter {
  private(set) var bytes: [UInt8] = []
  private var dateSecond = Int64.min
  private var date: [UInt8] = []

  mutating func begin(_ status: HTTPStatus, at time: Timestamp) {
    bytes.removeAll(keepingCapacity: true)
    put("HTTP/1.1 ")
    put(status.rawValue)
    put(Self.reason(status))
    let second = time.seconds
    if second != dateSecond {
      dateSecond = second
      date = Array("\r\nDate: \(HTTPDate.format(time))\r\n".utf8)
    }
    bytes.append(contentsOf: date)
  }

  mutating func field(_ name: StaticString, _ value: String) {
    put(name)
    put(": ")
    putValue(value)
  }

  mutating func field(_ name: StaticString, _ value: Int) {
    put(name)
    put(": ")
    put(value)
    put("\r\n")
  }

  /// A field that a handler made. A name that is no token is left out; control characters in a value become blanks:
  /// nobody can smuggle a second field in.
  mutating func field(_ name: String, _ value: String) {
    guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }) else { return }
    bytes.append(contentsOf: name.utf8)
    put(": ")
    putValue(value)
  }

  mutating func line(_ text: StaticString) { put(text) }

  mutating func end() { put("\r\n") }

  mutating func append(_ body: [UInt8]) { bytes.append(contentsOf: body) }

  private mutating func putValue(_ value: String) {
    let start = bytes.count
    bytes.append(contentsOf: value.utf8)
    for index in start..<bytes.count where bytes[index] < 0x20 || bytes[index] == 0x7F {
      if bytes[index] != 0x09 { bytes[index] = 0x20 }
    }
    put("\r\n")
  }

  private mutating func put(_ text: StaticString) { text.withUTF8Buffer { bytes.append(contentsOf: $0) } }

  private mutating func put(_ number: Int) {
    var digits: InlineArray<20, UInt8> = .init(repeating: 0)
    var first = 20
    var rest = number.magnitude
    repeat {
      first -= 1
      digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    for index in first..<20 { bytes.append(digits[index]) }
  }

  private static func reason(_ status: HTTPStatus) -> StaticString {
    switch status {
    case .ok: " OK"
    case .created: " Created"
    case .accepted: " Accepted"
    case .noContent: " No Content"
    case .partialContent: " Partial Content"
    case .multiStatus: " Multi-Status"
    case .seeOther: " See Other"
    case .notModified: " Not Modified"
    case .badRequest: " Bad Request"
    case .unauthorized: " Unauthorized"
    case .forbidden: " Forbidden"
    case .notFound: " Not Found"
    case .methodNotAllowed: " Method Not Allowed"
    case .requestTimeout: " Request Timeout"
    case .conflict: " Conflict"
    case .gone: " Gone"
    case .lengthRequired: " Length Required"
    case .preconditionFailed: " Precondition Failed"
    case .contentTooLarge: " Content Too Large"
    case .uriTooLong: " URI Too Long"
    case .unsupportedMediaType: " Unsupported Media Type"
    case .rangeNotSatisfiable: " Range Not Satisfiable"
    case .expectationFailed: " Expectation Failed"
    case .unprocessableContent: " Unprocessable Content"
    case .locked: " Locked"
    case .tooManyRequests: " Too Many Requests"
    case .headerFieldsTooLarge: " Request Header Fields Too Large"
    case .checksumMismatch: " Checksum Mismatch"
    case .internalServerError: " Internal Server Error"
    case .notImplemented: " Not Implemented"
    case .badGateway: " Bad Gateway"
    case .serviceUnavailable: " Service Unavailable"
    case .versionNotSupported: " HTTP Version Not Supported"
    case .insufficientStorage: " Insufficient Storage"
    default: " "
    }
  }
}
