internal import HTTP
internal import HTTPServer

/// The cookies of the console. None is readable by scripts and none leaves the site.
enum Cookie: String {
  /// The session's name, 256 random bits.
  case session = "artstore_session"
  /// Ties the login form to the browser that was given it.
  case login = "artstore_login"
  case language = "artstore_language"
  case theme = "artstore_theme"

  /// Off loopback the prefix makes the browser itself refuse a cookie set without TLS or by a neighbouring host.
  func name(isSecure: Bool) -> String {
    isSecure && (self == .session || self == .login) ? "__Host-\(rawValue)" : rawValue
  }

  func value(in request: Request) -> String? {
    request.head.cookie(name(isSecure: Self.isSecure(request)))
  }

  /// `Set-Cookie`. Without `seconds` it lasts as long as the browser; 0 removes it.
  func header(_ value: String, for request: Request, seconds: Int? = nil) -> String {
    let isSecure = Self.isSecure(request)
    let life = seconds.map { "; Max-Age=\($0)" } ?? ""
    return "\(name(isSecure: isSecure))=\(value); Path=/\(life); HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")"
  }

  /// Everything but loopback is reached over TLS. The browser names the host: a foreign page cannot.
  static func isSecure(_ request: Request) -> Bool {
    var host = Substring(request.head.header("Host") ?? "")
    if host.hasPrefix("[") {
      host = host.prefix { $0 != "]" }.dropFirst()
    } else if let colon = host.firstIndex(of: ":") {
      host = host[..<colon]
    }
    return !(host == "localhost" || host == "::1" || host.hasPrefix("127.") || host.hasSuffix(".localhost"))
  }
}
