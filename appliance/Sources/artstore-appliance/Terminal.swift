internal import Glibc

/// Standard output and error, and whether a person looks at them.
enum Terminal {
  static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 }

  static func print(_ text: String) { write(STDOUT_FILENO, text + "\n") }

  static func complain(_ text: String) { write(STDERR_FILENO, "artstore-appliance: \(text)\n") }

  /// As it is, without a newline: progress.
  static func note(_ text: String) { write(STDERR_FILENO, text) }

  private static func write(_ descriptor: CInt, _ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      if written <= 0 { return }
      rest = rest.dropFirst(written)
    }
  }
}
