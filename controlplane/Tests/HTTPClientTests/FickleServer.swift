import Glibc
import TestKit

/// Answers the first request, closes the connection at the second one without a word, and answers on a new one.
struct FickleServer {
  private let listener: CInt
  private let port: UInt16

  init() throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 4) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard isListening else { throw TestKitError("no port to listen on: errno \(errno)") }
    port = UInt16(bigEndian: address.sin_port)
  }

  var url: String { "http://127.0.0.1:\(port)/thing" }

  /// The body of the repeated request, "" when none is waited for.
  func serve(isRepeated: Bool) throws -> String {
    defer { close(listener) }
    let first = accept(listener, nil, nil)
    _ = try request(first)
    try answer(first)
    _ = try request(first)
    close(first)
    guard isRepeated else { return "" }
    let second = accept(listener, nil, nil)
    defer { close(second) }
    let body = try request(second)
    try answer(second)
    return body
  }

  /// Reads until five bytes of body came, and returns them.
  private func request(_ connection: CInt) throws -> String {
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { throw TestKitError("the request ended early") }
      text += String(decoding: buffer.prefix(count), as: UTF8.self)
      if let end = text.firstRange(of: "\r\n\r\n") {
        let body = text[end.upperBound...]
        if body.utf8.count == 5 { return String(body) }
      }
    }
  }

  private func answer(_ connection: CInt) throws {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    guard write(connection, text, text.utf8.count) == text.utf8.count else { throw TestKitError("no answer sent") }
  }
}
