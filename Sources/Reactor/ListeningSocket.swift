internal import CLinux
internal import Glibc

/// A bound, listening socket that is not watched yet. Several may share one address (SO_REUSEPORT): one for each loop.
public struct ListeningSocket: Sendable {
  public let descriptor: CInt
  /// With the real port when 0 was asked for.
  public let address: SocketAddress

  /// - Parameter isShared: other sockets may listen on the same address; all must say so.
  public init(_ address: SocketAddress, isShared: Bool, backlog: Int = 4096) throws(ReactorError) {
    var bound = sockaddr_storage()
    let descriptor = address.withStorage { storage, length in
      let descriptor = clinux_listen(&storage, &length, CInt(backlog), isShared ? 1 : 0)
      bound = storage
      return descriptor
    }
    guard let descriptor, descriptor >= 0 else { throw .system(call: "listen on \(address)", errno: clinux_errno()) }
    self.descriptor = descriptor
    self.address = SocketAddress(bound)
  }

  /// A listening TCP socket that this process was started with. Throws `EINVAL` when the descriptor is none.
  public init(inherited descriptor: CInt) throws(ReactorError) {
    var bound = sockaddr_storage()
    guard clinux_adopt_listener(descriptor, &bound) == 0 else {
      throw .system(call: "taking over descriptor \(descriptor) as a listening TCP socket", errno: clinux_errno())
    }
    self.descriptor = descriptor
    address = SocketAddress(bound)
  }

  private init(descriptor: CInt, address: SocketAddress) {
    self.descriptor = descriptor
    self.address = address
  }

  /// Another descriptor of the same socket: for another loop.
  public func duplicate() throws(ReactorError) -> ListeningSocket {
    let copy = clinux_duplicate(descriptor)
    guard copy >= 0 else { throw .system(call: "duplicating a listening socket", errno: clinux_errno()) }
    return ListeningSocket(descriptor: copy, address: address)
  }

  /// Ends an accepted connection that no channel took over, with a last word if it takes one at once.
  public static func refuse(_ connection: CInt, saying bytes: [UInt8]) {
    if !bytes.isEmpty { _ = bytes.withUnsafeBytes { clinux_send(connection, $0.baseAddress, $0.count) } }
    Glibc.close(connection)
  }

  /// For a socket that no channel took over.
  public func close() { Glibc.close(descriptor) }
}

extension Channel {
  /// What `accept` found.
  public enum Accepted: Sendable {
    case connection(descriptor: CInt, remote: SocketAddress)
    /// Nobody waits: wait until readable.
    case none
    /// No descriptors or memory: let some connections end first.
    case exhausted(ReactorError)
  }

  /// Takes one connection from a listening socket.
  public func accept() -> Accepted {
    var storage = sockaddr_storage()
    var length = socklen_t(0)
    while true {
      let connection = clinux_accept(descriptor, &storage, &length)
      if connection >= 0 { return .connection(descriptor: connection, remote: SocketAddress(storage)) }
      switch clinux_errno() {
      case EAGAIN: return .none
      case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH: continue
      case let reason: return .exhausted(.system(call: "accept4", errno: reason))
      }
    }
  }
}

extension Channel {
  /// Takes received bytes: their count, 0 at the end, or the negative errno.
  public func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = clinux_receive(descriptor, buffer.baseAddress, buffer.count)
    return count >= 0 ? count : -Int(clinux_errno())
  }

  /// Tells the peer that nothing more will be sent; receiving goes on.
  public func finishWriting() { _ = clinux_shutdown_write(descriptor) }
}
