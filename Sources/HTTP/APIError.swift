public import Core

/// The contract's error codes. Each has one status; clients match on the code, never on the message.
public enum ErrorCode: String, Sendable, CaseIterable, Codable {
  case validation = "VALIDATION_ERROR"
  case unauthorized = "UNAUTHORIZED"
  case forbidden = "FORBIDDEN"
  case notFound = "NOT_FOUND"
  case methodNotAllowed = "METHOD_NOT_ALLOWED"
  case timeout = "TIMEOUT"
  case conflict = "CONFLICT"
  case modeNotAllowed = "MODE_NOT_ALLOWED"
  case invalidTransition = "INVALID_TRANSITION"
  case confirmationRequired = "CONFIRMATION_REQUIRED"
  case reconcileInProgress = "RECONCILE_IN_PROGRESS"
  case cursorExpired = "CURSOR_EXPIRED"
  case lengthRequired = "LENGTH_REQUIRED"
  case preconditionFailed = "PRECONDITION_FAILED"
  case fileTooLarge = "FILE_TOO_LARGE"
  case unsupportedType = "UNSUPPORTED_TYPE"
  case invalidRange = "INVALID_RANGE"
  case checksumMismatch = "CHECKSUM_MISMATCH"
  case infected = "INFECTED"
  case accountLocked = "ACCOUNT_LOCKED"
  case rateLimited = "RATE_LIMITED"
  case headersTooLarge = "HEADERS_TOO_LARGE"
  case internalError = "INTERNAL_ERROR"
  case uploadFailed = "SE_UPLOAD_FAILED"
  case storageElementUnavailable = "SE_UNAVAILABLE"
  case adminUnavailable = "ADMIN_UNAVAILABLE"
  case noStorageAvailable = "NO_STORAGE_AVAILABLE"
  case overloaded = "OVERLOADED"
  case readOnly = "READ_ONLY"
  case storageFull = "STORAGE_FULL"

  public var status: HTTPStatus {
    switch self {
    case .validation: .badRequest
    case .unauthorized: .unauthorized
    case .forbidden: .forbidden
    case .notFound: .notFound
    case .methodNotAllowed: .methodNotAllowed
    case .timeout: .requestTimeout
    case .conflict, .modeNotAllowed, .invalidTransition, .confirmationRequired, .reconcileInProgress: .conflict
    case .cursorExpired: .gone
    case .lengthRequired: .lengthRequired
    case .preconditionFailed: .preconditionFailed
    case .fileTooLarge: .contentTooLarge
    case .unsupportedType: .unsupportedMediaType
    case .invalidRange: .rangeNotSatisfiable
    case .checksumMismatch, .infected: .unprocessableContent
    case .accountLocked: .locked
    case .rateLimited: .tooManyRequests
    case .headersTooLarge: .headerFieldsTooLarge
    case .internalError: .internalServerError
    case .uploadFailed, .storageElementUnavailable, .adminUnavailable, .noStorageAvailable: .badGateway
    case .overloaded, .readOnly: .serviceUnavailable
    case .storageFull: .insufficientStorage
    }
  }
}

/// The one error that crosses the wire: a code, what was wrong and how to mend it, for the client; `cause` for our
/// log only.
public struct APIError: Error, Sendable {
  public var code: ErrorCode
  /// For the client: what was attempted, on what, why it failed, how to mend it. Holds no secrets, paths or addresses.
  public var message: String
  /// Machine-readable facts for the client.
  public var details: [String: JSONValue]
  /// Extra response fields, e.g. `Retry-After`, `Allow`, `Content-Range`.
  public var headers: HeaderFields
  /// The underlying error's text, logged with the request id and never sent.
  public var cause: String?
  /// Overrides the code's own status where HTTP has a finer one (414, 417, 501, 505).
  public var statusOverride: HTTPStatus?

  public init(
    _ code: ErrorCode, _ message: String, details: [String: JSONValue] = [:], headers: HeaderFields = [:],
    cause: (any Error)? = nil, status: HTTPStatus? = nil
  ) {
    self.code = code
    self.message = message
    self.details = details
    self.headers = headers
    self.cause = cause.map { String(describing: $0) }
    self.statusOverride = status
  }

  public var status: HTTPStatus { statusOverride ?? code.status }

  /// The contract's body: `{"error":{"code","message",…}}`.
  public func body(requestID: String?) -> [UInt8] {
    JSONWriter.document { json in
      json.object { json in
        json.key("error")
        json.object { json in
          json.member("code", code.rawValue)
          json.member("message", message)
          if !details.isEmpty {
            json.key("details")
            json.value(.object(details))
          }
          if let requestID { json.member("request_id", requestID) }
        }
      }
    }
  }
}
