internal import Glibc

/// Small files of the operator: configuration, certificates, secrets.
enum SmallFile {
  private static let bytesMax = 1 << 20

  /// The whole text. With `isSecret` the file must belong to its reader alone (no rights for group and others).
  static func read(_ path: String, for key: String, isSecret: Bool = false) throws(CommandError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw problem(key, path, String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw problem(key, path, String(cString: strerror(errno))) }
    if isSecret, status.st_mode & 0o077 != 0 {
      throw problem(key, path, "others may read it; chmod 0600 it")
    }
    guard status.st_size <= bytesMax else { throw problem(key, path, "larger than 1 MiB") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= bytesMax {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw problem(key, path, String(cString: strerror(errno))) }
      if count == 0 { break }
      bytes += chunk.prefix(count)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw problem(key, path, "not UTF-8 text") }
    return text
  }

  /// Writes beside and renames, so that a reader sees the whole text or none of it.
  static func write(
    _ bytes: [UInt8], to path: String, for key: String, isSecret: Bool = false
  ) throws(CommandError) {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, isSecret ? 0o600 : 0o644)
    guard descriptor >= 0 else { throw problem(key, path, String(cString: strerror(errno))) }
    let count = Glibc.write(descriptor, bytes, bytes.count)
    close(descriptor)
    guard count == bytes.count, rename(temporary, path) == 0 else {
      throw problem(key, path, String(cString: strerror(errno)))
    }
  }

  private static func problem(_ key: String, _ path: String, _ why: String) -> CommandError {
    CommandError("\(key): \(path): \(why)", exitCode: .configuration)
  }
}
