import Glibc
import Reactor

/// A client that sends exactly the bytes it is told to, over a blocking socket with a time limit.
final class RawClient {
  private let descriptor: CInt
  private var buffer: [UInt8] = []

  struct Failed: Error { let what: String }

  /// `host`: whom it comes from; all of 127.0.0.0/8 is this machine.
  init(_ address: SocketAddress, from host: String = "127.0.0.1") throws {
    descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var own = sockaddr_in()
    own.sin_family = sa_family_t(AF_INET)
    inet_pton(AF_INET, host, &own.sin_addr)
    _ = withUnsafePointer(to: &own) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = UInt16(address.port).bigEndian
    inet_pton(AF_INET, address.host, &name.sin_addr)
    let status = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw Failed(what: "connect: \(errno)") }
  }

  deinit { close(descriptor) }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var offset = 0
    while offset < bytes.count {
      let sent = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + offset, bytes.count - offset, CInt(MSG_NOSIGNAL))
      }
      guard sent > 0 else { throw Failed(what: "send: \(errno)") }
      offset += sent
    }
  }

  func finishSending() { shutdown(descriptor, CInt(SHUT_WR)) }

  /// What the kernel knows of the connection's end within ten seconds without reading; 0: nothing, or an orderly end.
  func pendingError() -> CInt {
    var waiting = pollfd(fd: descriptor, events: 0, revents: 0)
    poll(&waiting, 1, 10_000)
    var error: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
    return error
  }

  /// One more piece; false at the end of the connection.
  @discardableResult
  private func fill() throws -> Bool {
    var piece = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &piece, piece.count, 0)
    if count < 0 {
      if errno == ECONNRESET { return false }
      throw Failed(what: "recv: \(errno), have \(String(decoding: buffer.prefix(200), as: UTF8.self))")
    }
    buffer += piece[..<count]
    return count > 0
  }

  struct Answer {
    var status: Int
    var head: String
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    func field(_ name: String) -> String? {
      for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix(name.lowercased() + ":") {
        return String(line.dropFirst(name.count + 1).drop { $0 == " " })
      }
      return nil
    }
  }

  /// Reads one answer. `isHead`: the request was HEAD, so no body follows.
  func answer(isHead: Bool = false) throws -> Answer {
    var end: Int?
    while true {
      end = Self.find(buffer, [13, 10, 13, 10])
      if end != nil { break }
      guard try fill() else { throw Failed(what: "connection ended in the head: \(buffer.count) bytes") }
    }
    let head = String(decoding: buffer[..<end!], as: UTF8.self)
    buffer.removeFirst(end! + 4)
    var answer = Answer(status: Int(head.dropFirst(9).prefix(3)) ?? 0, head: head, body: [])
    if isHead || answer.status == 204 || answer.status == 304 || answer.status == 100 { return answer }
    if let length = answer.field("Content-Length").flatMap({ Int($0) }) {
      while buffer.count < length {
        guard try fill() else { throw Failed(what: "connection ended in the body") }
      }
      answer.body = Array(buffer[..<length])
      buffer.removeFirst(length)
    } else if answer.field("Transfer-Encoding") == "chunked" {
      answer.body = try chunks()
    } else {
      answer.body = try rest()
    }
    return answer
  }

  /// Everything until the server ends the connection.
  func rest() throws -> [UInt8] {
    while try fill() {}
    defer { buffer = [] }
    return buffer
  }

  private func chunks() throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let size = Int(try line(), radix: 16) ?? -1
      guard size >= 0 else { throw Failed(what: "bad chunk") }
      if size == 0 {
        _ = try line()
        return body
      }
      while buffer.count < size + 2 {
        guard try fill() else { throw Failed(what: "connection ended in a chunk") }
      }
      body += buffer[..<size]
      buffer.removeFirst(size + 2)
    }
  }

  private func line() throws -> String {
    while true {
      if let end = Self.find(buffer, [13, 10]) {
        let text = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeFirst(end + 2)
        return text
      }
      guard try fill() else { throw Failed(what: "connection ended in a line") }
    }
  }

  private static func find(_ bytes: [UInt8], _ pattern: [UInt8]) -> Int? {
    guard bytes.count >= pattern.count else { return nil }
    return (0...(bytes.count - pattern.count)).first {
      bytes[$0] == pattern[0] && bytes[$0..<($0 + pattern.count)].elementsEqual(pattern)
    }
  }
}
