internal import CSandbox
internal import Glibc

/// Landlock: the process can open nothing outside the places named here, whatever its user may, and from version 4 on
/// it can make no TCP connection. Holds for the calling thread and every thread made after: raise it before the first.
public struct FileFence: Sendable {
  /// Directories or files, with everything below, that may be read and changed. Each must exist.
  public var writable: [String]
  /// That may be read. Each must exist.
  public var readable: [String]
  /// That may be read where they exist.
  public var readableIfThere: [String] = []

  /// What the C library, OpenSSL, the allocator and libdispatch look at after the start: time zones, their own
  /// configuration, the number of processors, the state of their threads. No home, no secrets. All of `/proc`, because
  /// libdispatch looks for a thread at `/proc/<thread>/stat` and ends the process when it may not.
  public static let ofTheSystem = [
    "/dev/null", "/dev/random", "/dev/urandom", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf", "/lib", "/lib64", "/proc", "/sys/devices/system/cpu", "/usr/lib", "/usr/share/zoneinfo",
  ]

  /// Version 1 forbids every rename between directories, which is how documents get their place.
  private static let versionMin: CInt = 2

  public init(writable: [String], readable: [String]) {
    self.writable = writable
    self.readable = readable
  }

  /// Cannot be undone.
  public func raise() throws(SandboxError) -> Protection {
    let version = artstore_landlock_version()
    guard version > 0 else { return .unavailable("the kernel has no landlock, or it is switched off") }
    guard version >= Self.versionMin else { return .unavailable("landlock is older than Linux 5.19's") }
    let rules = artstore_landlock_new(version)
    guard rules >= 0 else { throw SandboxError("making landlock rules", code: errno) }
    do throws(SandboxError) {
      for path in writable { try allow(path, rules, version, isWritable: true) }
      for path in readable { try allow(path, rules, version, isWritable: false) }
      for path in readableIfThere { try allow(path, rules, version, isWritable: false, isOptional: true) }
    } catch {
      close(rules)
      throw error
    }
    guard artstore_landlock_enforce(rules) == 0 else { throw SandboxError("enforcing landlock rules", code: errno) }
    return .active("landlock version \(version)")
  }

  private func allow(
    _ path: String, _ rules: CInt, _ version: CInt, isWritable: Bool, isOptional: Bool = false
  ) throws(SandboxError) {
    guard artstore_landlock_allow(rules, version, path, isWritable ? 1 : 0) != 0 else { return }
    let code = errno
    if isOptional, code == ENOENT || code == EACCES { return }
    throw SandboxError("allowing \(path) in landlock rules", code: code)
  }
}
