internal import Core
internal import HTTP
internal import Reactor
internal import TLS

/// What one loop keeps for its connections of one server. Confined to the loop's thread.
final class LoopContext: @unchecked Sendable {  // made, used and dropped on one loop's thread
  let loop: EventLoop
  let server: HTTPServer
  let acceptor: TLSAcceptor?
  private var connections: [ObjectIdentifier: HTTPConnection] = [:]
  private(set) var isStopping = false
  /// A head under construction; its memory is used again and again.
  var head = ResponseHeadWriter()
  var figures: LoopFigures
  private var identifiers: UInt64

  init(loop: EventLoop, server: HTTPServer) throws {
    self.loop = loop
    self.server = server
    acceptor = try server.configuration.tls.map { try TLSAcceptor($0) }
    figures = LoopFigures(server.metrics, server: server.configuration.name, routes: server.router.routes)
    identifiers = server.random.uint64()
  }

  var count: Int { connections.count }

  func add(_ connection: HTTPConnection) { connections[ObjectIdentifier(connection)] = connection }

  func remove(_ connection: HTTPConnection) { connections[ObjectIdentifier(connection)] = nil }

  /// A number that no other request is likely to have; not secret.
  func nextIdentifier() -> UInt64 {
    identifiers &+= 0x9E37_79B9_7F4A_7C15
    return Identifier.mix(identifiers)
  }

  /// Idle connections end now, the others with their request's answer.
  func stopGracefully() {
    isStopping = true
    for connection in connections.values { connection.stopIfIdle() }
  }

  func stopNow() {
    isStopping = true
    for connection in connections.values { connection.stop() }
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
