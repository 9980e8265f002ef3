internal import CCurl
public import Core
internal import Glibc
public import Service
internal import Synchronization

/// Sends HTTP/1.1 requests over libcurl: streams both ways with backpressure, mutual TLS with keys from memory, pinned
/// keys and identities, connection reuse. http and https only; redirects are never followed; environment proxies are
/// ignored. SIGPIPE is ignored process-wide, as libcurl asks of programs with threads.
public final class HTTPClient: Service {
  public var name: String { "http-client" }
  /// Transfers at once; more are refused with `.overloaded`.
  public let transfersMax: Int
  /// Idle connections kept.
  public let idleMax: Int

  private static let idleAge = Duration.seconds(30)
  private let time: any TimeSource
  private let state = Mutex(State())

  private struct State {
    var idle: [CurlTransfer] = []
    var active = 0
    var isClosed = false
  }

  public init(transfersMax: Int = 1024, idleMax: Int = 128, time: any TimeSource) {
    self.transfersMax = transfersMax
    self.idleMax = idleMax
    self.time = time
    curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    signal(SIGPIPE, SIG_IGN)
  }

  /// Closes idle connections as they age, until shutdown.
  public func run() async throws {
    await Shutdown.requested()
    let idle = state.withLock { state in
      state.isClosed = true
      defer { state.idle = [] }
      return state.idle
    }
    // Released here, outside the lock: closing writes to sockets.
    _ = idle.count
  }

  /// Sends `request` and returns when the answer's head is there. Errors: see `HTTPClientError`; a status is no error.
  public func send(_ request: ClientRequest) async throws(HTTPClientError) -> ClientResponse {
    let lease = try take(for: request)
    let transfer = lease.transfer
    try transfer.attach(request)
    let (status, headers) = try await transfer.head()
    let body = ClientResponseBody(transfer) { [lease] _ in lease.finish() }
    return ClientResponse(status: status, headers: headers, body: body)
  }

  /// Lends a connection of its own to `body`, closed afterwards. `exporterLabel` is for `ClientConnection.peer`.
  public func withConnection<R>(
    to url: String, exporterLabel: String, _ body: (ClientConnection) async throws -> R
  ) async throws -> R {
    let transfer = try CurlTransfer(origin: Self.origin(of: url), tls: nil, time: time)
    return try await body(ClientConnection(transfer, exporterLabel: exporterLabel))
  }

  /// Connections kept for reuse.
  var idleCount: Int { state.withLock { $0.idle.count } }

  private func take(for request: ClientRequest) throws(HTTPClientError) -> Lease {
    let origin = try Self.origin(of: request.url)
    let oldest = time.uptime() - Self.idleAge
    var aged: [CurlTransfer] = []
    let (reused, isFull) = state.withLock { state -> (CurlTransfer?, Bool) in
      guard state.active < transfersMax, !state.isClosed else { return (nil, true) }
      state.active += 1
      aged = state.idle.filter { $0.lastUse < oldest }
      state.idle.removeAll { $0.lastUse < oldest }
      let place = state.idle.lastIndex { $0.origin == origin && $0.tls === request.tls }
      return (place.map { state.idle.remove(at: $0) }, false)
    }
    _ = aged.count
    guard !isFull else {
      throw HTTPClientError(.overloaded, "\(origin): \(transfersMax) transfers are under way already")
    }
    if let reused { return Lease(client: self, transfer: reused) }
    do throws(HTTPClientError) {
      return Lease(client: self, transfer: try CurlTransfer(origin: origin, tls: request.tls, time: time))
    } catch {
      state.withLock { $0.active -= 1 }
      throw error
    }
  }

  private func giveBack(_ transfer: CurlTransfer?) {
    transfer?.lastUse = time.uptime()
    state.withLock { state in
      state.active -= 1
      if let transfer, !state.isClosed, state.idle.count < idleMax { state.idle.append(transfer) }
    }
  }

  /// Scheme and authority.
  private static func origin(of url: String) throws(HTTPClientError) -> String {
    let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[0] == "https:" || parts[0] == "http:", parts[1].isEmpty, !parts[2].isEmpty,
      !parts[2].contains("@")
    else { throw HTTPClientError(.badRequest, "not an absolute http or https URL: \(url.prefix(100))") }
    return "\(parts[0])//\(parts[2])".lowercased()
  }

  /// Counts a transfer as active for as long as its answer is held.
  private final class Lease: Sendable {
    let transfer: CurlTransfer
    private let client: HTTPClient
    private let isOpen = Mutex(true)

    init(client: HTTPClient, transfer: CurlTransfer) {
      self.client = client
      self.transfer = transfer
    }

    /// The answer was read to its end: its connection may serve another.
    func finish() { end(reusing: transfer.isReusable) }

    private func end(reusing: Bool) {
      let wasOpen = isOpen.withLock { isOpen in
        defer { isOpen = false }
        return isOpen
      }
      if wasOpen { client.giveBack(reusing ? transfer : nil) }
    }

    deinit { end(reusing: false) }
  }
}
