internal import HTTP

/// Why something did not work, as a page shows it: a title in the reader's language by the error's code, and the
/// message that says how to mend it.
struct Failure: Sendable {
  let status: HTTPStatus
  private let code: ErrorCode?
  private var text: Text?
  private let detail: String
  /// The name of the form's field that is wrong.
  private(set) var field: String?

  /// From what a module below threw.
  init(_ error: APIError) {
    status = error.status
    code = error.code
    text = nil
    detail = error.message
    field = Self.field(in: error)
  }

  /// From a rule of the console itself.
  init(_ status: HTTPStatus, _ text: Text, field: String? = nil) {
    self.status = status
    self.field = field
    self.text = text
    code = nil
    detail = ""
  }

  /// The modules below say `field: what is wrong with it`.
  private static func field(in error: APIError) -> String? {
    guard error.code == .validation || error.code == .conflict, let colon = error.message.firstIndex(of: ":") else {
      return nil
    }
    let name = error.message[..<colon]
    return name.utf8.allSatisfy { $0 == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "z")).contains($0) }
      ? String(name) : nil
  }

  /// What is wrong with a field in the reader's language, where the console knows what the field takes.
  func explained(by problems: [String: Text]) -> Failure {
    guard code == .validation, let field, let problem = problems[field] else { return self }
    var explained = self
    explained.text = problem
    return explained
  }

  func title(in language: Language) -> String? {
    if let code { return Text.title(of: code).in(language) }
    return status == .notFound ? Text.errorNotFound.in(language) : nil
  }

  func message(in language: Language) -> String { text?.in(language) ?? detail }
}

extension Text {
  static func title(of code: ErrorCode) -> Text {
    switch code {
    case .validation, .unsupportedType, .lengthRequired, .headersTooLarge, .methodNotAllowed: .errorInvalid
    case .unauthorized: .errorUnauthorized
    case .forbidden: .errorForbidden
    case .notFound: .errorNotFound
    case .conflict, .reconcileInProgress, .preconditionFailed, .confirmationRequired: .errorConflict
    case .modeNotAllowed, .invalidTransition: .errorMode
    case .cursorExpired: .errorExpired
    case .fileTooLarge: .errorTooLarge
    case .invalidRange: .errorRange
    case .checksumMismatch: .errorChecksum
    case .infected: .errorInfected
    case .accountLocked: .errorLocked
    case .rateLimited, .overloaded: .errorBusy
    case .timeout: .errorTimeout
    case .internalError: .errorInternal
    case .uploadFailed, .storageElementUnavailable, .adminUnavailable, .noStorageAvailable: .errorUnavailable
    case .readOnly, .storageFull: .errorFull
    }
  }
}
