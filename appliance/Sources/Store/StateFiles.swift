internal import Core
internal import Disk
internal import StorageAPI

/// The small files in `state/`, version 1, replaced as a whole:
///
///     store.json  {"version":1,"storage_id":"<uuid>","epoch":1795184112000000}
///     mode.json   {"version":1,"mode":"rw"}
struct StateFiles {
  let disk: any Disk
  let directory: String

  struct Identity: Codable, Hashable {
    var version = 1
    var storageID: FileID
    /// Microseconds since 1970 when this life began; grows with every adopted copy, so that positions can be ordered.
    var epoch: UInt64

    enum CodingKeys: String, CodingKey {
      case version, epoch
      case storageID = "storage_id"
    }
  }

  private struct Mode: Codable {
    var version = 1
    var mode: ApplianceMode
  }

  func identity() throws(StoreError) -> Identity? { try read(Identity.self, "store.json") }

  func write(_ identity: Identity) throws(StoreError) { try write(identity, "store.json") }

  func mode() throws(StoreError) -> ApplianceMode? { try read(Mode.self, "mode.json")?.mode }

  func write(_ mode: ApplianceMode) throws(StoreError) { try write(Mode(mode: mode), "mode.json") }

  private func read<Value: Decodable>(_ type: Value.Type, _ name: String) throws(StoreError) -> Value? {
    let path = "\(directory)/\(name)"
    let bytes: [UInt8]?
    do throws(DiskError) { bytes = try disk.contents(path, limit: 65_536) } catch { throw .disk(error) }
    guard let bytes else { return nil }
    do {
      return try JSON.decode(type, from: bytes)
    } catch {
      throw .invalid("\(path): \(JSON.explain(error)); restore it from a backup or run `artstore-appliance fsck`")
    }
  }

  private func write(_ value: some Encodable, _ name: String) throws(StoreError) {
    let path = "\(directory)/\(name)"
    let bytes: [UInt8]
    do { bytes = try JSON.encode(value) } catch { throw .invalid("\(path): \(error)") }
    do throws(DiskError) { try disk.replace(path, with: bytes) } catch { throw .disk(error) }
  }
}
