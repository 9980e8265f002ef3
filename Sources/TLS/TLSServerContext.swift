public import Core
internal import Synchronization

/// A listener's TLS set-up, shared by its loops and replaced while they run: new handshakes use the newest, connections
/// that exist go on as they are. Each loop makes its own OpenSSL context from it (`TLSLoopContext`), because OpenSSL's
/// shared providers are locked and two cores would wait for each other.
public final class TLSServerContext: Sendable {
  /// Keys that session tickets are sealed with: the newest first, at most two. Shared by the loops, so that a ticket
  /// from one is good at another.
  struct TicketKeys: Sendable {
    /// Rises with every change.
    var number: Int
    var keys: [[UInt8]]
  }

  /// One set-up. Ticket keys come new with each, so that nobody resumes a session past a change of the authorities.
  struct Generation: Sendable {
    let number: Int
    let configuration: TLSServerConfiguration
    let recordCiphers: RecordCiphers
    var ticketKeys: TicketKeys
  }

  private let current: Mutex<Generation>
  private let number: Atomic<Int>
  private let ticketKeysNumber = Atomic<Int>(0)
  private let random: any RandomSource
  private let recordCiphers: RecordCiphers
  /// OpenSSL's ticket keys: a name of 16 bytes, an HMAC key and an AES key of 32 each.
  private static let ticketKeyBytes = 80
  /// Between two keys, by whoever calls `rotateTicketKeys`.
  public static let ticketKeyInterval = Duration.seconds(3600)
  /// A ticket outlives the key that sealed it by at most one interval; it is never good for longer than this.
  static let ticketLifetime = ticketKeyInterval * 2

  /// Checks the configuration: a context that exists can be used.
  public convenience init(
    _ configuration: TLSServerConfiguration, random: any RandomSource = SystemRandom()
  ) throws(TLSError) {
    try self.init(configuration, random: random, recordCiphers: .fastest)
  }

  init(
    _ configuration: TLSServerConfiguration, random: any RandomSource = SystemRandom(), recordCiphers: RecordCiphers
  ) throws(TLSError) {
    self.random = random
    self.recordCiphers = recordCiphers
    let first = Generation(
      number: 0, configuration: configuration, recordCiphers: recordCiphers,
      ticketKeys: TicketKeys(number: 0, keys: [random.bytes(Self.ticketKeyBytes)]))
    _ = try TLSLoopContext(first)
    current = Mutex(first)
    number = Atomic(0)
  }

  /// Puts another set-up in force, from any thread. A wrong one is refused and the old one stays.
  public func reload(_ configuration: TLSServerConfiguration) throws(TLSError) {
    var keys = TicketKeys(number: 0, keys: [random.bytes(Self.ticketKeyBytes)])
    _ = try TLSLoopContext(
      Generation(number: 0, configuration: configuration, recordCiphers: recordCiphers, ticketKeys: keys))
    current.withLock { generation in
      let next = generation.number + 1
      keys.number = generation.ticketKeys.number + 1
      generation = Generation(
        number: next, configuration: configuration, recordCiphers: recordCiphers, ticketKeys: keys)
      number.store(next, ordering: .releasing)
      ticketKeysNumber.store(keys.number, ordering: .releasing)
    }
  }

  /// A new key seals tickets from now on; the one before is still accepted, older ones no longer. From any thread.
  public func rotateTicketKeys() {
    let key = random.bytes(Self.ticketKeyBytes)
    current.withLock { generation in
      generation.ticketKeys.number += 1
      generation.ticketKeys.keys = [key] + generation.ticketKeys.keys.prefix(1)
      ticketKeysNumber.store(generation.ticketKeys.number, ordering: .releasing)
    }
  }

  /// Rises with every reload; cheap to ask for each connection.
  var generationNumber: Int { number.load(ordering: .acquiring) }

  /// Rises with every change of the ticket keys; cheap to ask for each connection.
  var newestTicketKeys: Int { ticketKeysNumber.load(ordering: .acquiring) }

  var generation: Generation { current.withLock { $0 } }

  public var configuration: TLSServerConfiguration { generation.configuration }
}
