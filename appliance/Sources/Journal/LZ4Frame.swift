internal import CLZ4
internal import Glibc

/// The LZ4 frame format (its specification 1.6.x) with a content checksum: what `lz4 -d` reads.
enum LZ4Frame {
  /// The content's checksum stands at a frame's end.
  static let checksumBytes = 4

  struct Failure: Error, CustomStringConvertible {
    let attempt: String
    let message: String
    var description: String { "\(attempt): \(message)" }
  }

  /// Makes one frame of pieces as they come: a segment is never in memory whole. `begin`'s bytes, then each `add`'s,
  /// then `end`'s are the frame; its size and checksum are in it.
  final class Writer {
    private let context: OpaquePointer
    private var preferences = LZ4F_preferences_t()

    /// `count`: how many bytes will be added.
    init(count: Int) throws(Failure) {
      var context: OpaquePointer?
      let made = LZ4F_createCompressionContext(&context, UInt32(LZ4F_VERSION))
      guard LZ4F_isError(made) == 0, let context else { throw failure("compress", made) }
      self.context = context
      preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
      preferences.frameInfo.contentSize = UInt64(count)
    }

    deinit { LZ4F_freeCompressionContext(context) }

    func begin() throws(Failure) -> [UInt8] {
      try bytes(Int(LZ4F_HEADER_SIZE_MAX)) { LZ4F_compressBegin(context, $0, $1, &preferences) }
    }

    func add(_ piece: [UInt8]) throws(Failure) -> [UInt8] {
      try bytes(LZ4F_compressBound(piece.count, &preferences)) {
        LZ4F_compressUpdate(context, $0, $1, piece, piece.count, nil)
      }
    }

    func end() throws(Failure) -> [UInt8] {
      try bytes(LZ4F_compressBound(0, &preferences)) { LZ4F_compressEnd(context, $0, $1, nil) }
    }

    private func bytes(_ bound: Int, _ make: (UnsafeMutableRawPointer?, Int) -> Int) throws(Failure) -> [UInt8] {
      var status = 0
      let out = [UInt8](unsafeUninitializedCapacity: bound) { buffer, filled in
        status = make(buffer.baseAddress, bound)
        filled = LZ4F_isError(status) == 0 ? status : 0
      }
      guard LZ4F_isError(status) == 0 else { throw failure("compress", status) }
      return out
    }
  }

  /// Takes one frame piece by piece and gives its content as it comes; checks its checksum unless its reader compares
  /// every byte by itself.
  final class Reader {
    private let context: OpaquePointer
    private var options = LZ4F_decompressOptions_t()
    private var chunk = [UInt8](repeating: 0, count: 256 << 10)
    private var isAtEnd = false

    init(isCompared: Bool = false) throws(Failure) {
      options.skipChecksums = isCompared ? 1 : 0
      var context: OpaquePointer?
      let made = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
      guard LZ4F_isError(made) == 0, let context else { throw failure("decompress", made) }
      self.context = context
    }

    deinit { LZ4F_freeDecompressionContext(context) }

    /// Calls `take` with what `piece` gives.
    func add<Stop: Error>(
      _ piece: [UInt8], _ take: (ArraySlice<UInt8>) throws(Stop) -> Void
    ) throws(ReadError<Stop>) {
      var position = 0
      // Once more when all is consumed: the library may hold back what did not fit the chunk.
      var isDrained = false
      while position < piece.count || !isDrained {
        if isAtEnd {
          if position < piece.count { throw .frame(Failure(attempt: "decompress", message: "bytes follow the frame")) }
          return
        }
        var produced = chunk.count
        var consumed = piece.count - position
        let status = piece.withUnsafeBytes { source in
          LZ4F_decompress(context, &chunk, &produced, source.baseAddress.map { $0 + position }, &consumed, &options)
        }
        guard LZ4F_isError(status) == 0 else { throw .frame(failure("decompress", status)) }
        position += consumed
        isAtEnd = status == 0
        isDrained = produced < chunk.count
        do throws(Stop) { try take(chunk[..<produced]) } catch { throw .stopped(error) }
      }
    }

    /// After the last piece.
    func end() throws(Failure) {
      guard isAtEnd else { throw Failure(attempt: "decompress", message: "the frame is cut") }
    }
  }

  enum ReadError<Stop: Error>: Error {
    case frame(Failure)
    case stopped(Stop)
  }

  /// The content of one frame; checks its checksums. Refuses more than `limit` bytes.
  static func decompress(_ frame: [UInt8], limit: Int) throws(Failure) -> [UInt8] {
    let reader = try Reader()
    var out: [UInt8] = []
    do throws(ReadError<Failure>) {
      try reader.add(frame) { (chunk) throws(Failure) in
        guard out.count + chunk.count <= limit else {
          throw Failure(attempt: "decompress", message: "more than \(limit) bytes")
        }
        out.append(contentsOf: chunk)
      }
    } catch {
      switch error {
      case .frame(let failure), .stopped(let failure): throw failure
      }
    }
    try reader.end()
    return out
  }

  /// The first `count` bytes of a frame of which only the beginning is at hand.
  static func head(_ frame: [UInt8], count: Int) throws(Failure) -> [UInt8] {
    var context: OpaquePointer?
    let made = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
    guard LZ4F_isError(made) == 0, let context else { throw failure("decompress", made) }
    defer { LZ4F_freeDecompressionContext(context) }
    var out: [UInt8] = []
    // No more room than is asked for: a small frame's end, where its checksum stands, is not come to.
    var chunk = [UInt8](repeating: 0, count: count)
    var position = 0
    while out.count < count {
      var produced = count - out.count
      var consumed = frame.count - position
      let status = frame.withUnsafeBytes { source in
        LZ4F_decompress(context, &chunk, &produced, source.baseAddress.map { $0 + position }, &consumed, nil)
      }
      guard LZ4F_isError(status) == 0 else { throw failure("decompress", status) }
      position += consumed
      out.append(contentsOf: chunk[..<produced])
      guard produced > 0 || position < frame.count else {
        throw Failure(attempt: "decompress", message: "the frame is cut")
      }
    }
    return out
  }

  private static func failure(_ attempt: String, _ status: Int) -> Failure {
    Failure(attempt: attempt, message: String(cString: LZ4F_getErrorName(status)))
  }
}

extension ArraySlice<UInt8> {
  /// Whether both hold the same bytes, in one call instead of a loop.
  func isSame(as other: [UInt8]) -> Bool {
    guard count == other.count else { return false }
    return withUnsafeBytes { own in
      other.withUnsafeBytes { own.isEmpty || memcmp(own.baseAddress!, $0.baseAddress!, own.count) == 0 }  // not empty
    }
  }
}
