import CSandbox
import Glibc
import Sandbox
import Testing

@Suite(.timeLimit(.minutes(1)))
struct SandboxTests {
  /// A listening loopback socket and its address.
  private static func listener() -> (descriptor: CInt, address: sockaddr_in) {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        _ = bind(descriptor, name, length)
        _ = listen(descriptor, 8)
        _ = getsockname(descriptor, name, &length)
      }
    }
    return (descriptor, address)
  }

  private static func connected(_ descriptor: CInt, to address: sockaddr_in) -> String {
    var address = address
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        FencedThread.outcome(connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)))
      }
    }
  }

  private static func directory() -> String {
    var template = Array("/tmp/artstore-sandbox-XXXXXX".utf8CString)
    return String(cString: mkdtemp(&template))
  }

  private static func opened(_ path: String, _ flags: CInt = O_RDONLY) -> String {
    let descriptor = open(path, flags, 0o600)
    defer { if descriptor >= 0 { close(descriptor) } }
    return FencedThread.outcome(descriptor)
  }

  @Test func theFilterForbidsConnectingOutAndOtherPrograms() {
    let (listening, address) = Self.listener()
    let before = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    let control = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    let told = FencedThread.run {
      guard let protection = try? CallFilter().apply(everyThread: false), protection.isActive else {
        return "no filter"
      }
      var words = [
        "connect \(Self.connected(before, to: address))",
        "socket \(FencedThread.outcome(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)))",
      ]
      var arguments: [UnsafeMutablePointer<CChar>?] = [nil]
      var child = pid_t()
      errno = posix_spawn(&child, "/bin/true", nil, nil, &arguments, &arguments)
      words.append("new process \(FencedThread.outcome(errno == 0 ? 0 : -1))")
      words.append("execve \(FencedThread.outcome(execve("/bin/true", &arguments, &arguments)))")
      // What serving needs still works: files, threads.
      words.append("open \(Self.opened("/etc/hostname"))")
      words.append("thread \(FencedThread.run { "ok" })")
      return words.joined(separator: ", ")
    }
    #expect(told == "connect EPERM, socket EPERM, new process EPERM, execve EPERM, open ok, thread ok")
    #expect(Self.connected(control, to: address) == "ok", "the rest of the process is as it was")
    for descriptor in [listening, before, control] { close(descriptor) }
  }

  @Test func theFenceKeepsTheProcessInItsDirectories() throws {
    // Without landlock in the kernel there is nothing to see; production says so in its log.
    guard artstore_landlock_version() >= 2 else { return }
    let (mine, others) = (Self.directory(), Self.directory())
    for path in ["\(mine)/a", "\(mine)/b", "\(mine)/tls", "\(others)/x"] { mkdir(path, 0o700) }
    for path in ["\(mine)/a/file", "\(mine)/tls/cert", "\(others)/secret"] {
      close(open(path, O_CREAT | O_RDWR, 0o600))
    }
    symlink("\(others)/secret", "\(mine)/a/link")
    let fence = FileFence(writable: ["\(mine)/a", "\(mine)/b"], readable: ["\(mine)/tls"])
    let told = FencedThread.run {
      guard let protection = try? fence.raise(), protection.isActive else { return "no fence" }
      return [
        "own \(Self.opened("\(mine)/a/file", O_RDWR | O_TRUNC))",
        "new \(Self.opened("\(mine)/b/new", O_RDWR | O_CREAT))",
        "moved \(FencedThread.outcome(rename("\(mine)/a/file", "\(mine)/b/moved")))",
        "certificate \(Self.opened("\(mine)/tls/cert")) \(Self.opened("\(mine)/tls/cert", O_RDWR))",
        "outside \(Self.opened("\(others)/secret")) \(Self.opened("/etc/passwd"))",
        "through a link \(Self.opened("\(mine)/a/link"))",
        "made outside \(Self.opened("\(others)/new", O_RDWR | O_CREAT))",
        "moved out \(FencedThread.outcome(rename("\(mine)/b/new", "\(others)/x/new")))",
        "thread made after: \(FencedThread.run { Self.opened("\(others)/secret") })",
      ].joined(separator: ", ")
    }
    #expect(
      told == """
        own ok, new ok, moved ok, certificate ok EACCES, outside EACCES EACCES, through a link EACCES, \
        made outside EACCES, moved out EACCES, thread made after: EACCES
        """)
    #expect(Self.opened("\(others)/secret") == "ok", "the rest of the process is as it was")
  }

  @Test func theFenceForbidsConnectionsWhereTheKernelCan() {
    guard artstore_landlock_version() >= 4 else { return }
    let (listening, address) = Self.listener()
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    let told = FencedThread.run {
      guard (try? FileFence(writable: [], readable: []).raise()) != nil else { return "no fence" }
      return Self.connected(descriptor, to: address)
    }
    #expect(told == "EACCES")
    for descriptor in [listening, descriptor] { close(descriptor) }
  }

  @Test func aFenceAroundNothingThatExistsIsRefused() {
    guard artstore_landlock_version() >= 2 else { return }
    let told = FencedThread.run {
      do {
        _ = try FileFence(writable: ["/nowhere/at/all"], readable: []).raise()
        return "raised"
      } catch {
        return "\(error)"
      }
    }
    #expect(told.contains("/nowhere/at/all"))
  }
}
