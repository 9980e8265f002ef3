internal import Glibc
internal import Synchronization

/// A PostgreSQL 15 of the tests' own: in a temporary directory, reachable by a Unix socket only, without fsync, gone
/// with the test process, even if that is killed (a guard shell sees its standard input end and cleans up).
public final class PrivatePostgres: Sendable {
  /// The directory of its socket: the `host` of a connection string.
  public let socketDirectory: String
  private let control: CInt
  private let answers: CInt
  private let lock = Mutex(())

  /// The one server of this test process, started by whoever asks first.
  public static let shared = Result { try PrivatePostgres() }

  /// A fresh, empty database on the shared server; its connection string.
  public static func database() throws -> String {
    let server = try shared.get()
    return server.url(database: try server.createDatabase())
  }

  /// Starts a server. As root it runs under the user `postgres`, which PostgreSQL insists on.
  public init() throws {
    var input: [CInt] = [0, 0]
    var output: [CInt] = [0, 0]
    guard pipe(&input) == 0, pipe(&output) == 0 else {
      throw Failure("no pipes for PostgreSQL: errno \(errno)")
    }
    // The guard shell must see its input end with us, so none of our ends may be inherited by it or by others.
    for end in input + output { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    try Self.spawn(input: input[0], output: output[1])
    close(input[0])
    close(output[1])
    control = input[1]
    answers = output[0]
    let line = Self.readLine(output[0])
    guard line.hasPrefix("ready ") else {
      throw Failure("PostgreSQL did not start (is postgresql-15 installed?): \(line)")
    }
    socketDirectory = String(line.dropFirst(6))
  }

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
  }

  /// The connection string of `database`.
  public func url(database: String) -> String { "host=\(socketDirectory) port=5432 user=postgres dbname=\(database)" }

  /// Creates an empty database and returns its name.
  public func createDatabase() throws -> String {
    let answer = command("create")
    guard answer.hasPrefix("created ") else { throw Failure("no database could be created: \(answer)") }
    return String(answer.dropFirst(8))
  }

  /// Stops the server at once, as a crash would, and starts it again.
  public func restart() throws {
    let answer = command("restart")
    guard answer == "restarted" else { throw Failure("PostgreSQL did not come back: \(answer)") }
  }

  /// What `pg_dump --schema-only` says of `database`, without comments, settings and the migrations' own table.
  public func schema(of database: String) throws -> String {
    lock.withLock { _ in
      Self.writeLine(control, "schema \(database)")
      var text = ""
      while true {
        let line = Self.readLine(answers)
        if line == "-- end" || line.isEmpty && text.hasSuffix("\n\n") { return text }
        text += line + "\n"
      }
    }
  }

  private func command(_ line: String) -> String {
    lock.withLock { _ in
      Self.writeLine(control, line)
      return Self.readLine(answers)
    }
  }

  private static func writeLine(_ descriptor: CInt, _ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(descriptor, bytes, bytes.count)
  }

  /// One line without its end; empty at the end of the stream.
  private static func readLine(_ descriptor: CInt) -> String {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
    return String(decoding: line, as: UTF8.self)
  }

  private static func spawn(input: CInt, output: CInt) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    let arguments = ["/bin/sh", "-c", script]
    var list: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    list.append(nil)
    defer { for item in list { free(item) } }
    var process: pid_t = 0
    let status = posix_spawn(&process, "/bin/sh", &actions, nil, list, environ)
    guard status == 0 else { throw Failure("/bin/sh could not be started: errno \(status)") }
  }

  private static let script = """
    set -u
    bin=/usr/lib/postgresql/15/bin
    dir=$(mktemp -d /var/tmp/artstore-pg.XXXXXX)
    as() { "$@"; }
    if [ "$(id -u)" = 0 ]; then
      chown postgres "$dir"
      as() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
    fi
    cd "$dir"
    trap '' INT HUP TERM
    stop() { as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; cd /; rm -rf "$dir"; }
    start() {
      as "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -o "-c listen_addresses='' -k $dir -c fsync=off \\
        -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB \\
        -c max_wal_size=256MB" start >/dev/null 2>&1
    }
    if ! as "$bin/initdb" -D "$dir/data" -U postgres --auth=trust \\
        --encoding=UTF8 --locale=C.UTF-8 -N >"$dir/log" 2>&1 \\
      || ! start; then
      echo "failed: $(tail -qn 3 "$dir/log" "$dir/server.log" 2>/dev/null | tr '\\n' ' ')"; stop; exit 1
    fi
    echo "ready $dir"
    n=0
    while read -r verb argument; do
      case $verb in
        create) n=$((n + 1)); as "$bin/createdb" -h "$dir" -U postgres "t$n" >"$dir/out" 2>&1 \\
          && echo "created t$n" || echo "failed: $(tail -n 1 "$dir/out")" ;;
        restart) as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
          start && echo restarted || echo failed ;;
        schema) as "$bin/pg_dump" -h "$dir" -U postgres --schema-only --no-owner --no-privileges \\
          --exclude-table=schema_migrations "$argument" 2>&1 | grep -v -e '^--' -e '^SET ' -e '^SELECT pg_catalog' \\
          | cat -s; echo '-- end' ;;
      esac
    done
    stop
    """
}
