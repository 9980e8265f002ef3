internal import CLZ4

/// The LZ4 frame format (its specification 1.6.x) with a content checksum: what `lz4 -d` reads.
enum LZ4Frame {
  struct Failure: Error, CustomStringConvertible {
    let attempt: String
    let message: String
    var description: String { "\(attempt): \(message)" }
  }

  /// One frame holding all of `bytes`, their size and checksum in it.
  static func compress(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
    var preferences = LZ4F_preferences_t()
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
    preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled
    preferences.frameInfo.contentSize = UInt64(bytes.count)
    let bound = LZ4F_compressFrameBound(bytes.count, &preferences)
    var status = 0
    let out = [UInt8](unsafeUninitializedCapacity: bound) { buffer, filled in
      status = LZ4F_compressFrame(buffer.baseAddress, bound, bytes, bytes.count, &preferences)
      filled = LZ4F_isError(status) == 0 ? status : 0
    }
    guard LZ4F_isError(status) == 0 else { throw failure("compress", status) }
    return out
  }

  /// The content of one frame; checks its checksums. Refuses more than `limit` bytes.
  static func decompress(_ frame: [UInt8], limit: Int) throws(Failure) -> [UInt8] {
    var context: OpaquePointer?
    let made = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
    guard LZ4F_isError(made) == 0, let context else { throw failure("decompress", made) }
    defer { LZ4F_freeDecompressionContext(context) }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 256 << 10)
    var position = 0
    while true {
      var produced = chunk.count
      var consumed = frame.count - position
      let status = frame.withUnsafeBytes { source in
        LZ4F_decompress(context, &chunk, &produced, source.baseAddress.map { $0 + position }, &consumed, nil)
      }
      guard LZ4F_isError(status) == 0 else { throw failure("decompress", status) }
      position += consumed
      guard out.count + produced <= limit else {
        throw Failure(attempt: "decompress", message: "more than \(limit) bytes")
      }
      out.append(contentsOf: chunk[..<produced])
      if status == 0 { break }
      guard produced > 0 || position < frame.count else {
        throw Failure(attempt: "decompress", message: "the frame is cut")
      }
    }
    guard position == frame.count else { throw Failure(attempt: "decompress", message: "bytes follow the frame") }
    return out
  }

  /// The first `count` bytes of a frame of which only the beginning is at hand.
  static func head(_ frame: [UInt8], count: Int) throws(Failure) -> [UInt8] {
    var context: OpaquePointer?
    let made = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
    guard LZ4F_isError(made) == 0, let context else { throw failure("decompress", made) }
    defer { LZ4F_freeDecompressionContext(context) }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    var position = 0
    while out.count < count {
      var produced = chunk.count
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
    return Array(out.prefix(count))
  }

  private static func failure(_ attempt: String, _ status: Int) -> Failure {
    Failure(attempt: attempt, message: String(cString: LZ4F_getErrorName(status)))
  }
}
