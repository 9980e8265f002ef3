public import Core
public import Crypto
public import HTTP
public import Reactor
internal import Synchronization
public import Telemetry

/// What all requests of one connection share.
final class RequestOrigin: Sendable {
  let remote: SocketAddress
  let peer: PeerIdentity?
  let peerSPKI: Checksum?
  let exporter: (@Sendable (String, Int) -> [UInt8]?)?
  let proxies: TrustedProxies?
  /// The share of traces begun here that are sampled, of 2^64.
  let sampledShare: UInt64
  /// What the connection's last token was found to be: the next request brings the same one.
  let lastToken = Mutex<KnownToken?>(nil)

  init(
    remote: SocketAddress, peer: PeerIdentity?, peerSPKI: Checksum?,
    exporter: (@Sendable (String, Int) -> [UInt8]?)?, proxies: TrustedProxies? = nil, sampledShare: UInt64 = 0
  ) {
    self.sampledShare = sampledShare
    self.remote = remote
    self.peer = peer
    self.peerSPKI = peerSPKI
    self.exporter = exporter
    self.proxies = proxies
  }
}

/// One request as a handler sees it. Three references: it is handed from function to function on the hot path.
public struct Request: Sendable {
  private final class Content: Sendable {
    let head: RequestHead
    let body: RequestBody
    let requestID: String
    let trace: Trace
    let origin: RequestOrigin

    init(head: RequestHead, body: RequestBody, requestID: String, trace: Trace, origin: RequestOrigin) {
      self.head = head
      self.body = body
      self.requestID = requestID
      self.trace = trace
      self.origin = origin
    }
  }

  private enum Trace: Sendable {
    case given(TraceContext)
    /// Made when somebody asks for it.
    case seed(UInt64)
  }

  /// A route's path with its `{names}`, and where in the request's path what they stand for lies.
  struct PathParameters {
    var template = ""
    var bound = RouteTree.Bound()

    var names: [Substring] {
      template.split(separator: "/").filter { $0.hasPrefix("{") && $0.hasSuffix("}") }.map { $0.dropFirst().dropLast() }
    }
  }

  private let content: Content
  private var caller: Principal?
  var pathParameters = PathParameters()

  /// `exporter`: keying material of the connection, if it is TLS (label, count).
  public init(
    head: RequestHead, body: RequestBody, requestID: String, trace: TraceContext, remote: SocketAddress,
    peer: PeerIdentity? = nil, peerSPKI: Checksum? = nil, exporter: (@Sendable (String, Int) -> [UInt8]?)? = nil
  ) {
    content = Content(
      head: head, body: body, requestID: requestID, trace: .given(trace),
      origin: RequestOrigin(remote: remote, peer: peer, peerSPKI: peerSPKI, exporter: exporter))
  }

  /// From a socket.
  init(head: RequestHead, body: RequestBody, identifier: UInt64, from origin: RequestOrigin) {
    content = Content(
      head: head, body: body, requestID: Identifier.text(identifier), trace: .seed(identifier), origin: origin)
  }

  public var head: RequestHead { content.head }
  public var body: RequestBody { content.body }
  /// Names this request in logs, errors and answers.
  public var requestID: String { content.requestID }
  public var remote: SocketAddress { content.origin.remote }
  /// The address of who asks, as far as it can be believed: behind a trusted proxy the one that it names.
  public var client: String {
    guard let proxies = content.origin.proxies else { return remote.host }
    return proxies.client(saying: head.combined("x-forwarded-for"), from: remote)
  }
  /// The verified client certificate's identity; nil without one.
  public var peer: PeerIdentity? { content.origin.peer }
  /// SHA-256 of the client certificate's public key; nil without one.
  public var peerSPKI: Checksum? { content.origin.peerSPKI }

  /// This request's own place in the caller's trace (`traceparent`), otherwise in one made from the request's id.
  public var trace: TraceContext {
    switch content.trace {
    case .given(let trace): return trace
    case .seed(let seed):
      let span = Identifier.hex(seed | 1)
      if let caller = callersSpan {
        return TraceContext(traceID: caller.traceID, spanID: span, isSampled: caller.isSampled)
      }
      let high = Identifier.mix(seed)
      return TraceContext(
        traceID: Identifier.hex(high, Identifier.mix(high)), spanID: span,
        isSampled: Identifier.mix(high ^ seed) < content.origin.sampledShare)
    }
  }

  /// The span that made this request.
  var callersSpan: TraceContext? { head.header("traceparent").flatMap { TraceContext(traceparent: $0) } }

  /// Who is calling, after authorization.
  public internal(set) var principal: Principal {
    get { caller ?? .nobody }
    set { caller = newValue }
  }

  /// The caller of the connection's request before, if this one brings the very same token, its time is not over, and
  /// the authorizer's facts are those of `stamp`.
  public func callerKnown(under stamp: Int) throws(APIError) -> Principal? {
    guard let known = lastToken, known.stamp.load(ordering: .relaxed) == stamp, !known.isAskedAfter else { return nil }
    return try known.caller(of: self)
  }

  /// Says that the caller who was just let in would be under the same facts.
  public func noteCaller(under stamp: Int) { lastToken?.stamp.store(stamp, ordering: .relaxed) }

  var lastToken: KnownToken? {
    get { content.origin.lastToken.withLock { $0 } }
    nonmutating set { content.origin.lastToken.withLock { $0 = newValue } }
  }

  /// From `{name}` in the route's path, percent-decoded.
  public var parameters: [String: String] {
    Dictionary(
      pathParameters.names.map { (String($0), parameter(String($0))) }, uniquingKeysWith: { first, _ in first })
  }

  public var method: HTTPMethod { head.method }
  public var path: String { head.path }
  public var query: QueryItems { head.query }

  /// A parameter of the route's path. The router guarantees that those of its template are there.
  public func parameter(_ name: String) -> String {
    guard let range = place(of: name) else { return "" }
    var path = path
    return path.withUTF8 { String(decoding: UnsafeBufferPointer(rebasing: $0[range]), as: UTF8.self) }
  }

  /// The same where it names a document; nil when it is no UUID.
  public func fileID(_ name: String) -> FileID? {
    guard let range = place(of: name) else { return nil }
    var path = path
    return path.withUTF8 { FileID(text: UnsafeBufferPointer(rebasing: $0[range]).span) }
  }

  private func place(of name: String) -> Range<Int>? {
    var (template, wanted) = (pathParameters.template, name)
    let index = template.withUTF8 { template in
      wanted.withUTF8 { Self.index(of: $0, in: template) }
    }
    return index.map { pathParameters.bound[$0] }
  }

  /// Which of the template's `{names}` this is.
  private static func index(of name: UnsafeBufferPointer<UInt8>, in template: UnsafeBufferPointer<UInt8>) -> Int? {
    var (index, at) = (0, 0)
    while at < template.count {
      var end = at
      while end < template.count, template[end] != UInt8(ascii: "/") { end += 1 }
      if end - at > 2, template[at] == UInt8(ascii: "{"), template[end - 1] == UInt8(ascii: "}") {
        if template[(at + 1)..<(end - 1)].elementsEqual(name) { return index }
        index += 1
      }
      at = end + 1
    }
    return nil
  }

  /// Keying material that only the two ends of this TLS connection have (RFC 8446 §7.5, empty context); nil on plain
  /// HTTP.
  public func exportKeyingMaterial(label: String, count: Int) -> [UInt8]? {
    content.origin.exporter?(label, count)
  }

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
