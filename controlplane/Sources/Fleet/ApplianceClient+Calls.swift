internal import Catalogue
internal import Core
internal import Crypto
internal import HTTP
internal import HTTPClient
internal import Identity
internal import JWT
internal import StorageAPI
internal import Telemetry

extension ApplianceClient {
  /// One call before it is sent.
  struct Call {
    var method: HTTPMethod
    var path: String
    var query = QueryItems()
    /// Empty: the certificate alone.
    var scopes: Set<Scope>
    var caller: ApplianceCaller
    var headers: HeaderFields = [:]
    var body = ClientBody.empty
    var timeouts = ClientTimeouts()
    var expectsContinue = false
    /// Statuses of 300 and more that are answers, not errors.
    var passes: Set<Int> = []
    var failedEncoding = false

    /// What mends an appliance whose certificate has ended, or whose clock is far off: its key is pinned, and nothing
    /// secret goes there.
    static let pastDates: Set<String> = [
      AppliancePaths.info, AppliancePaths.trust, AppliancePaths.identity, AppliancePaths.time,
    ]

    init(_ method: HTTPMethod, _ path: String, scopes: Set<Scope> = [], caller: ApplianceCaller = .system) {
      self.method = method
      self.path = path
      self.scopes = scopes
      self.caller = caller
    }

    mutating func encode(_ value: some Encodable) {
      do { body = .bytes(try JSON.encode(value)) } catch { failedEncoding = true }
      headers["Content-Type"] = "application/json"
    }

    /// Whether it may be sent a second time: a stream may not once it was pulled from.
    var isRepeatable: Bool { if case .stream = body { false } else { true } }
  }

  /// Sends; delivers the key bundle and repeats once when the appliance does not know our signing key.
  func send(_ call: Call) async throws(APIError) -> ClientResponse {
    guard !call.failedEncoding else { throw APIError(.internalError, "a call to a storage element cannot be encoded") }
    let response = try await sendOnce(call, fresh: false)
    guard response.status == .unauthorized, !call.scopes.isEmpty, call.isRepeatable else {
      return try await checked(response, call)
    }
    _ = try await Self.collect(response)
    try await deliverTrust()
    return try await checked(try await sendOnce(call, fresh: true), call)
  }

  func sendOnce(_ call: Call, fresh: Bool) async throws(APIError) -> ClientResponse {
    let query = call.query.isEmpty ? "" : "?" + call.query.encoded
    var request = ClientRequest(
      call.method, element.url + call.path + query, headers: call.headers, body: call.body, timeouts: call.timeouts,
      expectsContinue: call.expectsContinue)
    request.headers["traceparent"] = (call.caller.trace ?? .random(access.random)).traceparent
    do {
      guard try await !access.revoked.contains(element.spki) else { throw Self.revokedAppliance }
      request.tls = try access.tls(for: element, forgivingDates: Call.pastDates.contains(call.path))
      if !call.scopes.isEmpty {
        let token = try access.tokens.token(
          storageID: element.storageID, subject: access.role.rawValue, actsFor: call.caller.actsFor,
          scopes: call.scopes, fresh: fresh)
        request.headers["Authorization"] = "Bearer \(token)"
      }
    } catch let error as APIError {
      throw error
    } catch {
      throw APIError(.internalError, "the control plane could not prove who it is", cause: error)
    }
    do {
      return try await access.http.send(request)
    } catch {
      throw Self.unavailable(error)
    }
  }

  func json<T: Decodable>(_ type: T.Type, _ call: Call) async throws(APIError) -> T {
    let bytes = try await Self.collect(try await send(call))
    do { return try JSON.decode(type, from: bytes) } catch { throw Self.strange(JSON.explain(error)) }
  }

  func recordAnswer(_ call: Call) async throws(APIError) -> (record: FileRecord, position: Position?) {
    let response = try await send(call)
    let bytes = try await Self.collect(response)
    do {
      let position = response.headers[Position.headerName].flatMap { Position(cursor: $0) }
      return (try JSON.decode(FileRecord.self, from: bytes), position)
    } catch {
      throw Self.strange(JSON.explain(error))
    }
  }

  func currentBundle() async throws(APIError) -> SignedMessage {
    do { return try await access.bundles.current().message } catch {
      throw APIError(.internalError, "the key bundle could not be read", cause: error)
    }
  }

  /// Turns an error answer into the error it says.
  func checked(_ response: ClientResponse, _ call: Call) async throws(APIError) -> ClientResponse {
    let status = response.status.rawValue
    if (200..<300).contains(status) || call.passes.contains(status) { return response }
    throw Self.refusal(response.status, response.headers, body: try await Self.collect(response))
  }

  static func collect(_ response: ClientResponse) async throws(APIError) -> [UInt8] {
    do { return try await response.body.collect(limit: 1_048_576) } catch { throw unavailable(error) }
  }

  private struct ErrorBody: Decodable {
    struct Content: Decodable {
      let code: String
      let message: String
    }
    let error: Content
  }

  /// The contract's error as the appliance said it; our own failings (401, 403) and what is no contract error are
  /// `SE_UNAVAILABLE`, because the client can do nothing about them.
  static func refusal(_ answered: HTTPStatus, _ headers: HeaderFields, body: [UInt8]) -> APIError {
    let status = answered.rawValue
    guard let said = try? JSON.decode(ErrorBody.self, from: body).error,  // not the contract's shape: handled here
      let code = ErrorCode(rawValue: said.code), code.status == answered,
      ![.unauthorized, .forbidden].contains(code)
    else {
      return APIError(
        .storageElementUnavailable, "the storage element refused the call; try again, then look at its state",
        cause: FleetError("status \(status): \(String(decoding: body.prefix(300), as: UTF8.self))"))
    }
    // Of its own errors our log would otherwise say nothing.
    let cause = status >= 500 ? FleetError("the storage element answered \(status) \(said.code)") : nil
    var error = APIError(code, said.message, cause: cause)
    if let wait = headers["Retry-After"] { error.headers["Retry-After"] = wait }
    return error
  }

  static func unavailable(_ error: HTTPClientError) -> APIError {
    switch error.kind {
    case .overloaded:
      APIError(.overloaded, "too many transfers are under way; try again soon", headers: ["Retry-After": "2"])
    case .cancelled: APIError(.timeout, "the call to the storage element was given up", cause: error)
    case .untrusted: APIError(.storageElementUnavailable, untrustedMessage, cause: error)
    default:
      APIError(.storageElementUnavailable, "the storage element cannot be reached; try again later", cause: error)
    }
  }

  /// Also the registry's state: what to look at is not the network.
  static let untrustedMessage =
    "what answers at the storage element's address is not it: another key, another fleet's certificate or no TLS 1.3; "
    + "check the address, and whether somebody stands between"

  static var revokedAppliance: APIError {
    APIError(
      .storageElementUnavailable,
      "the storage element's certificate is revoked; make a new key on its host "
        + "('artstore-appliance claim-code --again --new-key') and claim it again")
  }

  static func strange(_ what: String) -> APIError {
    APIError(
      .storageElementUnavailable, "the storage element answered strangely; look at its version and state",
      cause: FleetError(what))
  }
}
