import HTTP
import Testing

@testable import Fleet

/// What an appliance's errors become.
@Suite struct RefusalTests {
  private func refusal(_ status: HTTPStatus, _ code: String) -> APIError {
    let body = #"{"error":{"code":"\#(code)","message":"m"}}"#
    return ApplianceClient.refusal(status, ["Retry-After": "7"], body: Array(body.utf8))
  }

  @Test func theContractsErrorsPassThrough() {
    let full = refusal(.insufficientStorage, "STORAGE_FULL")
    #expect(full.code == .storageFull && full.message == "m" && full.headers["Retry-After"] == "7")
    #expect(refusal(.notFound, "NOT_FOUND").cause == nil)
  }

  /// The client cannot mend what the appliance thinks of us.
  @Test func ourOwnFailingsAreTheElements() {
    #expect(refusal(.unauthorized, "UNAUTHORIZED").code == .storageElementUnavailable)
    #expect(refusal(.ok, "NONSENSE").code == .storageElementUnavailable)
  }

  /// Else our log would hold an error without any reason.
  @Test func itsInternalErrorsSayWhoseTheyAre() {
    let error = refusal(.internalServerError, "INTERNAL_ERROR")
    #expect(error.code == .internalError && error.cause?.contains("storage element answered 500") == true)
  }
}
