internal import Glibc
internal import Reactor

/// Listening sockets that systemd made and keeps open while the store closes and opens (sd_listen_fds(3)): nobody is
/// refused meanwhile, they wait.
struct InheritedSockets: Sendable {
  /// By `FileDescriptorName=`: `api`, `probe`.
  private let sockets: [String: ListeningSocket]

  static let names: Set<String> = ["api", "probe"]
  private static let firstDescriptor: CInt = 3
  private static let countMax = 16

  /// Takes what is meant for this process; nothing when the variables are missing or meant for another.
  static func take(_ environment: [String: String], pid: pid_t = getpid()) throws(CommandFailure) -> InheritedSockets {
    guard environment["LISTEN_PID"] == "\(pid)", let count = environment["LISTEN_FDS"].flatMap({ Int($0) }), count > 0
    else { return InheritedSockets(sockets: [:]) }
    guard count <= countMax else {
      throw .configuration("LISTEN_FDS: \(count) sockets are more than two listeners need")
    }
    let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
    var sockets: [String: ListeningSocket] = [:]
    for index in 0..<count {
      let name = index < names.count ? String(names[index]) : ""
      guard Self.names.contains(name), sockets[name] == nil else {
        throw .configuration(
          "socket \(index) is called '\(name.prefix(40))'; FileDescriptorName= must be api or probe, each once"
        )
      }
      do { sockets[name] = try ListeningSocket(inherited: firstDescriptor + CInt(index)) } catch {
        throw .configuration("the socket '\(name)': \(error); use ListenStream= with an address and a port")
      }
    }
    return InheritedSockets(sockets: sockets)
  }

  /// The socket of one listener, which must be where the settings want it.
  func socket(_ name: String, wanted address: SocketAddress, key: String) throws(CommandFailure) -> ListeningSocket? {
    guard let socket = sockets[name] else { return nil }
    guard address.port == 0 || socket.address == address else {
      throw .configuration(
        "\(key) says \(address) and systemd's socket listens on \(socket.address): "
          + "set ListenStream= of artstore-appliance-\(name).socket to the same address")
    }
    return socket
  }
}
