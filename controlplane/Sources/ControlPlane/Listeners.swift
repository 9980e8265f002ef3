internal import Configuration
internal import Core
internal import HTTPServer
internal import Reactor
internal import Synchronization
internal import TLS

/// The certificate of every listener, read again at SIGHUP.
struct ListenerTLS: Sendable {
  let context: TLSServerContext
  private let certificatePath: String
  private let keyPath: String

  /// Nil: no certificate is configured.
  init?(_ values: ConfigurationValues) throws(CommandError) {
    switch (values[ControlPlaneSettings.certificate], values[ControlPlaneSettings.privateKey]) {
    case (nil, nil): return nil
    case (let certificate?, let key?): (certificatePath, keyPath) = (certificate, key)
    default: throw CommandError("CP_TLS_CERT and CP_TLS_KEY belong together: give both", exitCode: .configuration)
    }
    let configuration = try Self.read(certificatePath, keyPath)
    do throws(TLSError) {
      context = try TLSServerContext(configuration)
    } catch {
      throw CommandError("CP_TLS_CERT, CP_TLS_KEY: \(error)", exitCode: .configuration)
    }
  }

  func reload() throws {
    try context.reload(try Self.read(certificatePath, keyPath))
  }

  private static func read(_ certificate: String, _ key: String) throws(CommandError) -> TLSServerConfiguration {
    TLSServerConfiguration(
      certificateChain: try SmallFile.read(certificate, for: "CP_TLS_CERT"),
      privateKey: try SmallFile.read(key, for: "CP_TLS_KEY", isSecret: true), clientCertificate: .none)
  }
}

/// Where a role listens.
enum Listeners {
  /// The address of a role. Plain HTTP leaves loopback only where the operator said so.
  static func address(
    of role: Role, _ values: ConfigurationValues, hasTLS: Bool
  ) throws(CommandError) -> SocketAddress {
    let setting = ControlPlaneSettings.address(of: role)
    let configured = values[setting]
    guard let address = SocketAddress.parse(configured.description) else {
      throw CommandError(
        "\(setting.key): '\(configured)' is not an address of this machine; write it as 127.0.0.1:8000",
        exitCode: .configuration)
    }
    let isLoopback = configured.host.hasPrefix("127.") || configured.host == "::1"
    guard isLoopback || hasTLS || values[ControlPlaneSettings.allowPlain] else {
      throw CommandError(
        "\(setting.key): \(configured) would speak plain HTTP outside of this machine; "
          + "give CP_TLS_CERT and CP_TLS_KEY, "
          + "or CP_ALLOW_PLAIN=true behind a gateway that ends TLS", exitCode: .configuration)
    }
    return address
  }

  /// `{"admin":"127.0.0.1:8000",…}` for whoever started us with port 0.
  static func publish(_ bound: [(role: Role, address: SocketAddress)], to path: String) throws(CommandError) {
    let bytes = JSONWriter.document { json in
      json.object { json in
        for (role, address) in bound {
          json.key(role.rawValue)
          json.string(address.description)
        }
      }
    }
    try SmallFile.write(bytes + [UInt8(ascii: "\n")], to: path, for: "CP_ADDRESSES_FILE")
  }
}
