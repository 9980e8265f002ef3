internal import CMagic
public import Reactor
internal import Synchronization

/// Tells media types by content, with libmagic (what `file` uses). Off the loops: its rules can take a millisecond.
public final class ContentSniffer: Sendable {
  /// So much of a document's beginning is looked at.
  public static let bytesMax = 65_536

  private let blocking: BlockingPool
  private let database: Mutex<Database>

  /// libmagic's handle, used by one thread at a time.
  private struct Database: ~Copyable {
    let cookie: OpaquePointer

    deinit { magic_close(cookie) }
  }

  public struct Unavailable: Error, CustomStringConvertible {
    public let description: String
  }

  public init(blocking: BlockingPool) throws(Unavailable) {
    guard let cookie = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_ERROR) else {
      throw Unavailable(description: "libmagic could not be opened")
    }
    guard magic_load(cookie, nil) == 0 else {
      let reason = magic_error(cookie).map { String(cString: $0) } ?? "no reason given"
      magic_close(cookie)
      throw Unavailable(
        description: "libmagic could not load its rules: \(reason) (is the package libmagic-mgc there?)")
    }
    self.blocking = blocking
    database = Mutex(Database(cookie: cookie))
  }

  /// The type of a document that begins with `head`; `application/octet-stream` when nothing is recognised.
  public func mediaType(of head: [UInt8]) async throws -> String {
    guard !head.isEmpty else { return "application/octet-stream" }
    return try await blocking.run { [self] in
      database.withLock { database in
        let name = magic_buffer(database.cookie, head, min(head.count, Self.bytesMax))
        return name.map { String(cString: $0) } ?? "application/octet-stream"
      }
    }
  }
}
