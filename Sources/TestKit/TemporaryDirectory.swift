internal import FoundationEssentials
internal import Glibc

/// A directory of a test's own, removed with all it holds when the last reference goes.
public final class TemporaryDirectory: Sendable {
  /// Absolute, without a trailing slash.
  public let path: String

  /// Below `TMPDIR`, else `/tmp`. Throws when it cannot be made.
  public init(_ purpose: String = "test") throws {
    let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(base)/artstore-\(purpose)-XXXXXX\0".utf8)
    let isMade = template.withUnsafeMutableBytes { buffer in
      buffer.baseAddress.map { mkdtemp($0.assumingMemoryBound(to: CChar.self)) != nil } ?? false
    }
    guard isMade else { throw TestKitError("make a directory \(base)/artstore-\(purpose)-XXXXXX: errno \(errno)") }
    path = String(decoding: template.dropLast(), as: UTF8.self)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)  // what is left in /tmp harms no later test
  }

  /// The path of a name inside.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file inside and gives its path.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(filePath: file(name)))
    return file(name)
  }

  /// Reads a file inside.
  public func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file(name)))) }
}

/// A test's surroundings could not be made.
public struct TestKitError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
