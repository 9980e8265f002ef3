internal import Crypto
internal import HTTP
internal import HTTPServer

/// Protection against writes that another site makes a signed-in browser send. Three walls: the session cookie is
/// `SameSite=Strict`, the browser says where a request comes from, and each write carries the session's token.
enum CSRF {
  static let fieldName = "_csrf"
  static let headerName = "X-CSRF-Token"

  /// What the browser itself says about the origin (Fetch Metadata; RFC 6454 for older ones). Silence is no objection:
  /// the token still decides.
  static func comesFromHere(_ request: Request) -> Bool {
    if let site = request.head.header("Sec-Fetch-Site") { return site == "same-origin" || site == "none" }
    guard let origin = request.head.header("Origin") else { return true }
    guard let scheme = origin.firstRange(of: "://") else { return false }
    return origin[scheme.upperBound...].equalsIgnoringASCIICase(request.head.header("Host") ?? "")
  }

  static func matches(_ given: String?, _ expected: String) -> Bool {
    guard let given, !expected.isEmpty else { return false }
    return ConstantTime.equal(given, expected)
  }
}
