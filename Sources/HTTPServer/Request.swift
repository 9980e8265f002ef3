public import Core
public import Crypto
public import HTTP
public import Reactor
public import Telemetry

/// One request as a handler sees it.
public struct Request: Sendable {
  public let head: RequestHead
  public let body: RequestBody
  /// Names this request in logs, errors and answers.
  public let requestID: String
  /// The caller's trace (`traceparent`), otherwise one made from the request's id.
  public var trace: TraceContext {
    if let given { return given }
    if let text = head.header("traceparent"), let caller = TraceContext(traceparent: text) { return caller }
    let high = Identifier.mix(traceSeed)
    return TraceContext(
      traceID: Identifier.hex(high, Identifier.mix(high)), spanID: Identifier.hex(traceSeed | 1), isSampled: false)
  }
  public let remote: SocketAddress
  /// The verified client certificate's identity; nil without one.
  public let peer: PeerIdentity?
  /// SHA-256 of the client certificate's public key; nil without one.
  public let peerSPKI: Checksum?
  /// From `{name}` in the route's path, percent-decoded.
  public internal(set) var parameters: [String: String] = [:]
  /// Who is calling, after authorization.
  public internal(set) var principal = Principal.nobody

  private let exporter: (@Sendable (String, Int) -> [UInt8]?)?
  private let given: TraceContext?
  private let traceSeed: UInt64

  /// `exporter`: keying material of the connection, if it is TLS (label, count).
  public init(
    head: RequestHead, body: RequestBody, requestID: String, trace: TraceContext, remote: SocketAddress,
    peer: PeerIdentity? = nil, peerSPKI: Checksum? = nil, exporter: (@Sendable (String, Int) -> [UInt8]?)? = nil
  ) {
    self.head = head
    self.body = body
    self.requestID = requestID
    given = trace
    traceSeed = 0
    self.remote = remote
    self.peer = peer
    self.peerSPKI = peerSPKI
    self.exporter = exporter
  }

  /// From a socket. The trace is made when somebody asks for it.
  init(head: RequestHead, body: RequestBody, identifier: UInt64, from connection: HTTPConnection) {
    self.head = head
    self.body = body
    requestID = Identifier.text(identifier)
    given = nil
    traceSeed = identifier
    remote = connection.remote
    peer = connection.peer
    peerSPKI = connection.peerSPKI
    exporter = connection.exporter
  }

  public var method: HTTPMethod { head.method }
  public var path: String { head.path }
  public var query: QueryItems { head.query }

  /// A parameter of the route's path. The router guarantees that those of its template are there.
  public func parameter(_ name: String) -> String { parameters[name] ?? "" }

  /// Keying material that only the two ends of this TLS connection have (RFC 8446 §7.5, empty context); nil on plain
  /// HTTP.
  public func exportKeyingMaterial(label: String, count: Int) -> [UInt8]? { exporter?(label, count) }

  /// Decodes a JSON body of at most `limit` bytes; `VALIDATION_ERROR` names the field that is wrong.
  public func json<T: Decodable>(_ type: T.Type, limit: Int = 65_536) async throws -> T {
    let bytes = try await body.collect(limit: limit)
    do {
      return try JSON.decode(type, from: bytes)
    } catch {
      throw APIError(.validation, "the body is wrong: \(JSON.explain(error))")
    }
  }
}

extension Request {
  /// A request made inside the process: for tests and for roles that call each other without a socket.
  public static func make(
    _ method: HTTPMethod, _ target: String, headers: HeaderFields = [:], body: [UInt8] = [],
    peer: PeerIdentity? = nil, peerSPKI: Checksum? = nil,
    remote: SocketAddress = .loopback(port: 0),
    random: some RandomSource = SystemRandom(), exporter: (@Sendable (String, Int) -> [UInt8]?)? = nil
  ) throws(APIError) -> Request {
    let head = try RequestHead(method, target, headers: headers, contentLength: body.isEmpty ? nil : body.count)
    return Request(
      head: head, body: RequestBody(bytes: body), requestID: Hex.encode(random.bytes(8)), trace: .random(random),
      remote: remote, peer: peer, peerSPKI: peerSPKI, exporter: exporter)
  }
}
