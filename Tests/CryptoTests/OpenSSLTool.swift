import Glibc

/// The `openssl` command, as a second opinion. Its output, or an error with what it wrote.
enum OpenSSLTool {
  struct Failure: Error { let arguments: [String] }

  static func run(_ arguments: [String]) throws -> [UInt8] {
    var quoted = "openssl"
    for argument in arguments { quoted += " '" + argument + "'" }
    guard let stream = popen(quoted + " 2>/dev/null </dev/null", "r") else { throw Failure(arguments: arguments) }
    var out: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 { out += buffer.prefix(count) }
    guard pclose(stream) == 0 else { throw Failure(arguments: arguments) }
    return out
  }

  static func text(_ arguments: [String]) throws -> String { String(decoding: try run(arguments), as: UTF8.self) }
}
