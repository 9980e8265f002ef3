internal import Core
internal import HTTP
internal import HTTPServer

/// An error of the token endpoint, in the form RFC 6749 §5.2 demands.
struct OAuthError: Error {
  enum Code: String {
    case invalidRequest = "invalid_request"
    case invalidClient = "invalid_client"
    case unsupportedGrantType = "unsupported_grant_type"
    case invalidScope = "invalid_scope"
    case unsupportedTokenType = "unsupported_token_type"
  }

  let code: Code
  let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }

  /// 401 with a challenge for a client that could not prove who it is, 400 for everything else; never cached.
  var response: Response {
    var response = Response.json(code == .invalidClient ? .unauthorized : .badRequest) { json in
      json.member("error", code.rawValue)
      json.member("error_description", description)
    }
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    if code == .invalidClient { response.headers["WWW-Authenticate"] = "Basic realm=\"artstore\", charset=\"UTF-8\"" }
    return response
  }
}

/// A form for an OAuth endpoint, and the client's credentials in it or in the Authorization header.
struct OAuthForm: Sendable {
  let fields: QueryItems
  let clientID: String?
  let clientSecret: String?

  private static let parameters: Set<String> = [
    "grant_type", "scope", "client_id", "client_secret", "token", "token_type_hint",
  ]

  /// RFC 6749 §3.2, §2.3.1: a form in the body, no parameter twice, one way of authentication only, nothing in the URL.
  init(_ request: Request) async throws {
    guard request.query.isEmpty else {
      throw OAuthError(.invalidRequest, "parameters belong in the body, not in the URL, where logs would keep them")
    }
    let type = request.head.header("Content-Type")?.split(separator: ";").first.map { $0.filter { $0 != " " } } ?? ""
    guard type.equalsIgnoringASCIICase(FormURLEncoded.mediaType) else {
      throw OAuthError(.invalidRequest, "the body must be \(FormURLEncoded.mediaType)")
    }
    do {
      fields = try FormURLEncoded.parse(try await request.body.collect(limit: 16_384))
    } catch let error as APIError where error.code == .validation {
      throw OAuthError(.invalidRequest, "the body is no valid form")
    }
    // What no RFC of ours names is ignored, however often it comes (RFC 6749 §3.2).
    let names = fields.names.filter(Self.parameters.contains)
    guard Set(names).count == names.count else { throw OAuthError(.invalidRequest, "a parameter came twice") }
    let inBody = fields["client_id"] != nil || fields["client_secret"] != nil
    guard let header = request.head.header("Authorization"), header.lowercased().hasPrefix("basic ") else {
      (clientID, clientSecret) = (fields["client_id"], fields["client_secret"])
      return
    }
    guard fields["client_secret"] == nil else {
      throw OAuthError(.invalidRequest, "send the client's secret in one place: Authorization header or body")
    }
    guard let pair = Self.basic(header.dropFirst(6)) else {
      throw OAuthError(.invalidClient, "the Authorization header is not base64 of 'client_id:client_secret'")
    }
    guard !inBody || fields["client_id"] == pair.0 else {
      throw OAuthError(.invalidRequest, "client_id in the body differs from the Authorization header")
    }
    (clientID, clientSecret) = pair
  }

  /// RFC 7617, with both halves form-encoded as RFC 6749 §2.3.1 wants.
  private static func basic(_ text: Substring) -> (String, String)? {
    let packed = text.filter { $0 != " " }
    guard let bytes = Base64.standard.decode(packed), let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
      let id = PercentEncoding.decodeText(bytes[..<colon], plusIsSpace: true),
      let secret = PercentEncoding.decodeText(bytes[(colon + 1)...], plusIsSpace: true)
    else { return nil }
    return (id, secret)
  }
}
