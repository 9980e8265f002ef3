public import Catalogue
public import Core
public import HTTP
public import HTTPClient
internal import JWT
public import StorageAPI
public import Telemetry

/// For whom a call is made: named in the token, so that the appliance's journal says who did it.
public struct ApplianceCaller: Sendable {
  public var actsFor: String?
  public var trace: TraceContext?

  public init(actsFor: String? = nil, trace: TraceContext? = nil) {
    self.actsFor = actsFor
    self.trace = trace
  }

  /// The control plane itself: jobs.
  public static let system = ApplianceCaller()
}

/// Typed calls to one appliance as one role. Every error is an `APIError` that may go on to a client: those the
/// appliance answered keep their code, one that could not be reached is `SE_UNAVAILABLE`; addresses and storage names
/// stay inside.
public struct ApplianceClient: Sendable {
  public let element: StorageElement
  let access: ApplianceAccess

  /// `GET /info`, by certificate alone.
  public func info() async throws(APIError) -> ApplianceInfo {
    try await json(ApplianceInfo.self, Call(.get, AppliancePaths.info))
  }

  /// One record; nil when the appliance has none under this id.
  public func record(_ id: FileID, caller: ApplianceCaller = .system) async throws(APIError) -> (
    record: FileRecord, position: Position?
  )? {
    do throws(APIError) {
      let call = Call(.get, AppliancePaths.file(id.description), scopes: [.filesRead], caller: caller)
      return try await recordAnswer(call)
    } catch  where error.code == .notFound {
      return nil
    }
  }

  /// Changes description, tags or metadata: `body` is the contract's PATCH object.
  public func update(_ id: FileID, body: [UInt8], caller: ApplianceCaller) async throws(APIError) -> (
    record: FileRecord, position: Position?
  ) {
    var call = Call(.patch, AppliancePaths.file(id.description), scopes: [.filesWrite], caller: caller)
    call.body = .bytes(body)
    call.headers["Content-Type"] = "application/json"
    return try await recordAnswer(call)
  }

  /// Deletes a document (only where it lies in `edit`). The position of the change, where the appliance names it.
  @discardableResult
  public func delete(_ id: FileID, caller: ApplianceCaller) async throws(APIError) -> Position? {
    let call = Call(.delete, AppliancePaths.file(id.description), scopes: [.filesWrite], caller: caller)
    let response = try await send(call)
    _ = try await Self.collect(response)
    return response.headers[Position.headerName].flatMap { Position(cursor: $0) }
  }

  /// The bytes of a document, streamed. `headers` are the client's own `Range`, `If-Range`, `If-None-Match`,
  /// `If-Match`, `If-Modified-Since`, `If-Unmodified-Since`; anything else is left out. Answers of 200, 206, 304, 412
  /// and 416 are returned as they are, others are thrown.
  public func download(
    _ id: FileID, method: HTTPMethod = .get, headers: HeaderFields = [:], caller: ApplianceCaller
  ) async throws(APIError) -> ClientResponse {
    var call = Call(
      method, AppliancePaths.file(id.description) + "/download", scopes: [.filesRead], caller: caller)
    for name in Self.conditionNames { if let value = headers[name] { call.headers[name] = value } }
    call.timeouts = ClientTimeouts(total: nil, stall: .seconds(60))
    call.passes = [304, 412, 416]
    return try await send(call)
  }

  static let conditionNames = [
    "Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since",
  ]

  /// `POST /mode/transition`.
  public func transition(
    to mode: ApplianceMode, confirm: Bool, caller: ApplianceCaller
  ) async throws(APIError) -> ModeTransitionAnswer {
    var call = Call(.post, AppliancePaths.modeTransition, scopes: [.storageWrite], caller: caller)
    call.encode(ModeTransitionRequest(targetMode: mode, confirm: confirm))
    return try await json(ModeTransitionAnswer.self, call)
  }

  // MARK: following

  /// Lines of the change feed after `cursor`; nil starts at the beginning. 410 is `CURSOR_EXPIRED`.
  public func changes(
    after cursor: String?, limit: Int, wait: Duration = .zero
  ) async throws(APIError) -> ClientResponse {
    var call = Call(.get, AppliancePaths.changes, scopes: [.filesRead])
    if let cursor { call.query.append("after", cursor) }
    call.query.append("limit", String(limit))
    if wait > .zero { call.query.append("wait", String(wait.components.seconds)) }
    call.timeouts = ClientTimeouts(total: .seconds(300), stall: .seconds(60))
    return try await send(call)
  }

  /// Lines of the listing for ids in (`after`, `until`].
  public func range(after: FileID, until: FileID, limit: Int) async throws(APIError) -> ClientResponse {
    var call = Call(.get, AppliancePaths.files, scopes: [.filesRead])
    call.query.append("after_id", after.description)
    call.query.append("until_id", until.description)
    call.query.append("limit", String(limit))
    call.headers["Accept"] = "application/x-ndjson"
    call.timeouts = ClientTimeouts(total: .seconds(300), stall: .seconds(60))
    return try await send(call)
  }

  /// The sums that a catalogue at the same position must have.
  func digest() async throws(APIError) -> ApplianceDigest {
    let body = try await json(ApplianceDigest.Body.self, Call(.get, AppliancePaths.digest, scopes: [.filesRead]))
    guard let digest = ApplianceDigest(body) else { throw Self.strange("a digest that is none") }
    return digest
  }

  // MARK: upkeep of trust, by certificate alone

  /// Delivers the key bundle; the version the appliance trusts now.
  @discardableResult
  public func deliverTrust() async throws(APIError) -> Int {
    var call = Call(.put, AppliancePaths.trust)
    call.encode(try await currentBundle())
    return try await json(TrustAnswer.self, call).version
  }

  /// Our time when the appliance's clock said `applianceTime`, signed by the trust key.
  func deliver(time: Timestamp, answering applianceTime: Timestamp) async throws -> ClockState {
    var call = Call(.put, AppliancePaths.time)
    let said = SignedTime(storageID: element.storageID, applianceTime: applianceTime, time: time)
    call.encode(TimeDelivery(time: time, signed: try access.bundles.sign(said)))
    return try await json(ClockState.self, call)
  }

  /// A page of the journal's chain, newest segment first. `NOT_FOUND` from versions that do not show it.
  /// `contents`: with the hashes of what the segments hold now, for which they are read.
  func chain(
    before number: UInt64? = nil, limit: Int = JournalChain.limitMax, contents: Bool = false
  ) async throws(APIError) -> JournalChain {
    var call = Call(.get, AppliancePaths.journalChain)
    if let number { call.query.append("before", String(number)) }
    call.query.append("limit", String(limit))
    if contents {
      call.query.append("contents", "true")
      call.timeouts = ClientTimeouts(total: .seconds(300), stall: .seconds(300))
    }
    return try await json(JournalChain.self, call)
  }

  /// Trace spans that ended after `cursor`; those it still has with nil.
  func spans(after cursor: String?) async throws(APIError) -> SpanPage {
    var call = Call(.get, AppliancePaths.spans)
    if let cursor { call.query.append("after", cursor) }
    call.query.append("limit", String(SpanPage.limitMax))
    return try await json(SpanPage.self, call)
  }

  /// Has the journal's active segment sealed, if it holds anything that is not pinned; the chain's newest link.
  func sealJournal() async throws(APIError) -> JournalSealAnswer {
    try await json(JournalSealAnswer.self, Call(.post, AppliancePaths.journalSeal, scopes: [.storageWrite]))
  }

  /// A request for a new certificate (PEM), for the key it has.
  func certificateRequest() async throws(APIError) -> String {
    var call = Call(.put, AppliancePaths.identity)
    call.encode(IdentityRenewal())
    guard let text = try await json(IdentityAnswer.self, call).csr else { throw Self.strange("no CSR") }
    return text
  }

  func install(certificate: String) async throws(APIError) {
    var call = Call(.put, AppliancePaths.identity)
    call.encode(IdentityRenewal(certificate: certificate))
    _ = try await json(IdentityAnswer.self, call)
  }
}
