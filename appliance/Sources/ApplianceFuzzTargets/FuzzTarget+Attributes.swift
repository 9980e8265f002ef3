public import FuzzTargets
internal import StorageAPI
internal import Store

extension FuzzTarget {
  /// Those of the appliance.
  public static var appliance: [FuzzTarget] { [attributes, journal] }

  /// `attr.json` is read without trapping, and what was read is written so that it reads the same.
  public static var attributes: FuzzTarget {
    FuzzTarget("attributes", inputBytesMax: Attributes.bytesMax) { input throws(Violation) in
      guard let read = attributes(input) else { return }
      let written = bytes(read)
      guard let again = attributes(written) else {
        throw Violation("what was written is not read: \(String(decoding: written, as: UTF8.self))")
      }
      try require(again.record == read.record, "the record is now \(again.record), was \(read.record)")
      try require(again.path == read.path && again.epoch == read.epoch && again.lsn == read.lsn, "its place changed")
      try require(bytes(again) == written, "one value has two texts")
    }
  }

  private static func attributes(_ bytes: [UInt8]) -> Attributes? {
    do { return try Attributes(bytes) } catch { return nil }
  }

  private static func bytes(_ read: Attributes) -> [UInt8] {
    Attributes.encode(json: read.record.json, path: read.path, epoch: read.epoch, lsn: read.lsn)
  }
}
