internal import Core
internal import HTTP
internal import Reactor
internal import TLS

/// What one loop keeps for its connections of one server. Confined to the loop's thread.
final class LoopContext: @unchecked Sendable {  // made, used and dropped on one loop's thread
  let loop: EventLoop
  let server: HTTPServer
  let acceptor: TLSAcceptor?
  private var connections: [HTTPConnection] = []
  /// Where the next look for an expendable connection begins.
  private var cursor = 0
  private(set) var isStopping = false
  /// Connections that have no task and need one again.
  private var woken: [HTTPConnection] = []
  /// Whoever gives tasks waits here for connections; nil before and after.
  var listener: Channel?

  /// Whether a connection may go on without a task.
  var mayPark: Bool { listener != nil && !isStopping }
  /// A head under construction; its memory is used again and again.
  var head = ResponseHeadWriter()
  var figures: LoopFigures
  private var identifiers: UInt64
  private var time: (turn: Deadline, civil: Timestamp)?

  init(loop: EventLoop, server: HTTPServer) throws {
    self.loop = loop
    self.server = server
    acceptor = try server.configuration.tls.map { try TLSAcceptor($0) }
    figures = LoopFigures(server.metrics, server: server.configuration.name, routes: server.router.routes)
    identifiers = server.random.uint64()
  }

  var count: Int { connections.count }

  /// The time for `Date`, asked for once in a turn of the loop.
  var civilTime: Timestamp {
    if let time, time.turn == loop.now { return time.civil }
    let civil = server.time.now()
    time = (loop.now, civil)
    return civil
  }

  func wake(_ connection: HTTPConnection) {
    woken.append(connection)
    listener?.nudge()
  }

  func takeWoken() -> [HTTPConnection] {
    defer { woken.removeAll() }
    return woken
  }

  /// From now on every connection has a task; those without end.
  func endParked() {
    listener = nil
    for connection in connections where connection.isParked { connection.stop() }
  }

  func add(_ connection: HTTPConnection) {
    connection.place = connections.count
    connections.append(connection)
  }

  func remove(_ connection: HTTPConnection) {
    let last = connections.removeLast()
    guard last !== connection else { return }
    connections[connection.place] = last
    last.place = connection.place
  }

  /// So many are looked at for one that can go: enough to find one of the oldest, few enough to stay cheap in a flood.
  private static let sampleCount = 32

  /// Ends the connection, of a sample, that has been idle or beginning for longest; with `onlyHandshakes` one whose
  /// handshake is not finished. False when there is none in the sample.
  func evictOne(onlyHandshakes: Bool) -> Bool {
    var oldest: (connection: HTTPConnection, age: Duration)?
    for _ in 0..<min(Self.sampleCount, connections.count) {
      cursor = cursor + 1 < connections.count ? cursor + 1 : 0
      let connection = connections[cursor]
      guard !onlyHandshakes || connection.isShakingHands, !connection.stream.channel.isClosed,
        let age = connection.expendable(now: loop.now), oldest.map({ age > $0.age }) ?? true
      else { continue }
      oldest = (connection, age)
    }
    oldest?.connection.evict()
    return oldest != nil
  }

  /// A number that no other request is likely to have; not secret.
  func nextIdentifier() -> UInt64 {
    identifiers &+= 0x9E37_79B9_7F4A_7C15
    return Identifier.mix(identifiers)
  }

  /// Idle connections end now, the others with their request's answer. Who was let in and has not asked anything yet
  /// still may: to end it would be to refuse it.
  func stopGracefully() {
    isStopping = true
    for connection in connections { connection.stopIfIdle() }
  }

  /// Connections that begin and don't get anywhere end.
  func stopBeginners() {
    for connection in connections where connection.expendable(now: loop.now) != nil { connection.stop() }
  }

  func stopNow() {
    isStopping = true
    for connection in connections { connection.stop() }
  }
}

/// Request ids and the trace ids derived from them.
enum Identifier {
  /// SplitMix64's finisher: spreads a counter over all 64 bits.
  static func mix(_ value: UInt64) -> UInt64 {
    var word = value
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// 13 characters: short enough that a Swift string needs no allocation.
  static func text(_ value: UInt64) -> String {
    String(unsafeUninitializedCapacity: 13) { buffer in
      let digits: StaticString = "0123456789abcdefghjkmnpqrstvwxyz"
      for index in 0..<13 { buffer[index] = digits.utf8Start[Int(value >> UInt64(index * 5) & 31)] }
      return 13
    }
  }

  /// 16 or 32 hexadecimal digits for a trace.
  static func hex(_ words: UInt64...) -> String {
    String(unsafeUninitializedCapacity: words.count * 16) { buffer in
      let digits: StaticString = "0123456789abcdef"
      for (position, word) in words.enumerated() {
        for index in 0..<16 {
          buffer[position * 16 + index] = digits.utf8Start[Int(word >> UInt64(60 - index * 4) & 15)]
        }
      }
      return words.count * 16
    }
  }
}
