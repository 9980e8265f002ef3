internal import HTTP
internal import Reactor
internal import Telemetry

/// Frames a streamed body. Small writes are gathered into one chunk; the head goes out with the first bytes, so that a
/// stream that fails at once can still become an error answer.
final class StreamWriter: BodyWriter, @unchecked Sendable {  // works on its loop only; others hop
  private let connection: HTTPConnection
  private let outline: ResponseOutline
  private(set) var hasBegun = false
  private var isFinished = false
  private var gathered: [UInt8] = []
  private var left: Int
  private static let gatherBytes = 16_000

  init(connection: HTTPConnection, outline: ResponseOutline) {
    self.connection = connection
    self.outline = outline
    if case .length(let length) = outline.framing { left = length } else { left = .max }
  }

  func write(_ bytes: [UInt8]) async throws {
    if isOnLoop { return try await writeHere(bytes) }
    try await withTaskExecutorPreference(connection.loop) { try await self.writeThere(bytes) }
  }

  func write(_ file: FileSlice) async throws {
    if isOnLoop { return try await writeHere(file) }
    try await withTaskExecutorPreference(connection.loop) { try await self.writeThere(file) }
  }

  func flush() async throws {
    if isOnLoop { return try await flushHere() }
    try await withTaskExecutorPreference(connection.loop) { try await self.flushThere() }
  }

  @concurrent
  private func writeThere(_ bytes: [UInt8]) async throws { try await writeHere(bytes) }
  @concurrent
  private func writeThere(_ file: FileSlice) async throws { try await writeHere(file) }
  @concurrent
  private func flushThere() async throws { try await flushHere() }

  private var isOnLoop: Bool { EventLoop.current === connection.loop }
  private var isChunked: Bool {
    if case .chunked = outline.framing { true } else { false }
  }

  private func writeHere(_ bytes: [UInt8]) async throws(ConnectionEnd) {
    if bytes.isEmpty { return }
    try take(bytes.count)
    if gathered.count + bytes.count <= Self.gatherBytes {
      gathered.append(contentsOf: bytes)
      return
    }
    try await begin()
    if isChunked { try await connection.stream.write(Self.chunkHead(gathered.count + bytes.count)) }
    try await connection.stream.write(gathered)
    gathered.removeAll(keepingCapacity: true)
    try await connection.stream.write(bytes)
    if isChunked { try await connection.stream.write([0x0D, 0x0A]) }
    connection.context.figures.bytesOut.increment(by: Double(bytes.count))
  }

  private func writeHere(_ file: FileSlice) async throws {
    if file.count == 0 { return }
    try await connection.prepare(file)
    try take(file.count)
    try await emit()
    try await begin()
    if isChunked { try await connection.stream.write(Self.chunkHead(file.count)) }
    try await connection.sendFile(file, afterHead: false)
    if isChunked { try await connection.stream.write([0x0D, 0x0A]) }
  }

  private func flushHere() async throws(ConnectionEnd) {
    try await begin()
    try await emit()
    try await connection.stream.flush()
  }

  /// The end of the body. A body shorter than declared cannot be finished.
  func finish() async throws(ConnectionEnd) {
    isFinished = true
    if case .length = outline.framing, left > 0 {
      throw .unfinished("an answer was \(left) bytes shorter than declared")
    }
    try await begin()
    try await emit(andEnd: isChunked)
  }

  private func take(_ count: Int) throws(ConnectionEnd) {
    guard !isFinished else { throw .unfinished("written after the answer's end") }
    guard count <= left else { throw .unfinished("an answer was longer than declared") }
    if left != .max { left -= count }
  }

  private func begin() async throws(ConnectionEnd) {
    guard !hasBegun else { return }
    hasBegun = true
    try await connection.beginStream(outline)
  }

  /// Puts what is gathered into the output as one chunk.
  private func emit(andEnd: Bool = false) async throws(ConnectionEnd) {
    var out: [UInt8] = []
    if !gathered.isEmpty {
      try await begin()
      connection.context.figures.bytesOut.increment(by: Double(gathered.count))
      if isChunked {
        out = Self.chunkHead(gathered.count)
        out.append(contentsOf: gathered)
        out.append(contentsOf: [0x0D, 0x0A])
      } else {
        out = gathered
      }
      gathered.removeAll(keepingCapacity: true)
    }
    if andEnd { out.append(contentsOf: "0\r\n\r\n".utf8) }
    if !out.isEmpty { try await connection.stream.write(out) }
  }

  private static func chunkHead(_ count: Int) -> [UInt8] { Array("\(String(count, radix: 16))\r\n".utf8) }
}
