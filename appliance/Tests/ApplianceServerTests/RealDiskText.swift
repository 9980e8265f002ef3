import Disk

/// A text file as the tests need it.
enum RealDiskText {
  static func read(_ path: String) throws -> String? {
    try RealDisk().contents(path, limit: 1 << 20).map { String(decoding: $0, as: UTF8.self) }
  }
}
