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
