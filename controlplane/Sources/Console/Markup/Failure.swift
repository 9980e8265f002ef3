internal import HTTP

/// Why something did not work, as a page shows it: a title in the reader's language by the error's code, and the
/// message that says how to mend it.
struct Failure: Sendable {
  let status: HTTPStatus
  private let code: ErrorCode?
  private let text: Text?
  private let detail: String

  /// From what a module below threw.
  init(_ error: APIError) {
    status = error.status
    code = error.code
    text = nil
    detail = error.message
  }

  /// From a rule of the console itself.
  init(_ status: HTTPStatus, _ text: Text) {
    self.status = status
    self.text = text
    code = nil
    detail = ""
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
