internal import Core
public import Disk

/// `<data>/state`: the front's own small files, each written whole and renamed into place, mode 0600.
///
///     identity/key.pem, certificate.pem     the appliance's key, and the chain it shows
///     trust/bundle.json, trust-key          the last signed key bundle, and the key it must be signed with (base64
///     SPKI)
///     trust/admin-spki                      SHA-256 of the administrator's client key, hex
///     claim.json                            phase of the claim; the secret until the first mutual-TLS contact
///     settings.json, clock.json             what the control plane set
///     addresses.json                        where the daemon listens, while it runs
public struct StateDirectory: Sendable {
  public let path: String
  let disk: any Disk

  public init(dataDirectory: String, disk: any Disk) throws(StateError) {
    path = dataDirectory + "/state"
    self.disk = disk
    do throws(DiskError) {
      try disk.makeDirectories(path + "/identity")
      try disk.makeDirectories(path + "/trust")
    } catch {
      throw StateError("preparing the state directory", error)
    }
  }

  static let bytesMax = 1 << 20

  public func read(_ name: String) throws(StateError) -> [UInt8]? {
    do throws(DiskError) {
      return try disk.contents("\(path)/\(name)", limit: Self.bytesMax)
    } catch {
      throw StateError("reading", error)
    }
  }

  public func readText(_ name: String) throws(StateError) -> String? {
    try read(name).map { String(decoding: $0, as: UTF8.self) }
  }

  public func readJSON<Value: Decodable>(_ type: Value.Type, _ name: String) throws(StateError) -> Value? {
    guard let bytes = try read(name) else { return nil }
    do {
      return try JSON.decode(type, from: bytes)
    } catch {
      throw StateError("\(path)/\(name) is damaged: \(JSON.explain(error)); restore it from a backup or remove it")
    }
  }

  public func write(_ name: String, _ bytes: [UInt8]) throws(StateError) {
    do throws(DiskError) {
      try disk.replace("\(path)/\(name)", with: bytes)
    } catch {
      throw StateError("writing", error)
    }
  }

  public func write(_ name: String, json value: some Encodable) throws(StateError) {
    let bytes: [UInt8]
    do { bytes = try JSON.encode(value) } catch { throw StateError("encoding \(name): \(error)") }
    try write(name, bytes)
  }

  public func remove(_ name: String) throws(StateError) {
    do throws(DiskError) {
      try disk.unlink("\(path)/\(name)")
    } catch  where error.isMissing {
      return
    } catch {
      throw StateError("removing", error)
    }
  }
}

/// The front's state could not be read or written; the text says what was attempted on what and why.
public struct StateError: Error, Sendable, CustomStringConvertible {
  public let description: String

  init(_ text: String) { description = text }

  init(_ operation: String, _ error: DiskError) { description = "\(operation): \(error)" }
}
