public import Core
internal import Synchronization

/// A listener's TLS set-up, shared by its loops and replaced while they run: new handshakes use the newest, connections
/// that exist go on as they are. Each loop makes its own OpenSSL context from it (`TLSLoopContext`), because OpenSSL's
/// shared providers are locked and two cores would wait for each other.
public final class TLSServerContext: Sendable {
  /// One set-up. Ticket keys come new with each, so that nobody resumes a session past a change of the authorities.
  struct Generation: Sendable {
    let number: Int
    let configuration: TLSServerConfiguration
    let ticketKeys: [UInt8]
  }

  private let current: Mutex<Generation>
  private let number: Atomic<Int>
  private let random: any RandomSource
  /// OpenSSL's ticket keys: a name of 16 bytes, an HMAC key and an AES key of 32 each.
  private static let ticketKeyBytes = 80

  /// Checks the configuration: a context that exists can be used.
  public init(
    _ configuration: TLSServerConfiguration, random: any RandomSource = SystemRandom()
  ) throws(TLSError) {
    self.random = random
    let first = Generation(
      number: 0, configuration: configuration, ticketKeys: random.bytes(Self.ticketKeyBytes))
    _ = try TLSLoopContext(first)
    current = Mutex(first)
    number = Atomic(0)
  }

  /// Puts another set-up in force, from any thread. A wrong one is refused and the old one stays.
  public func reload(_ configuration: TLSServerConfiguration) throws(TLSError) {
    let keys = random.bytes(Self.ticketKeyBytes)
    _ = try TLSLoopContext(Generation(number: 0, configuration: configuration, ticketKeys: keys))
    current.withLock { generation in
      let next = generation.number + 1
      generation = Generation(number: next, configuration: configuration, ticketKeys: keys)
      number.store(next, ordering: .releasing)
    }
  }

  /// Rises with every reload; cheap to ask for each connection.
  var generationNumber: Int { number.load(ordering: .acquiring) }

  var generation: Generation { current.withLock { $0 } }

  public var configuration: TLSServerConfiguration { generation.configuration }
}
