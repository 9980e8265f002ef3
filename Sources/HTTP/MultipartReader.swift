internal import Core
internal import Glibc

/// Reads `multipart/form-data` (RFC 7578) part by part from a source of byte chunks, holding one chunk and a boundary's
/// length at most. Belongs to one task. Everything wrong with the body is `VALIDATION_ERROR`; the source's errors
/// pass through.
public final class MultipartReader {
  /// One part. Its body must be read before the next part is asked for; what was not read is skipped then.
  public struct Part {
    /// The form field's name; empty when the part has none.
    public let name: String
    public let filename: String?
    public let contentType: String?
    public let headers: HeaderFields
    fileprivate let reader: MultipartReader
    fileprivate let number: Int

    /// The next bytes of the part; nil at its end.
    public func nextChunk() async throws -> [UInt8]? {
      guard reader.partNumber == number else { return nil }
      return try await reader.nextChunk()
    }

    /// The whole part. More than `limit` bytes: `VALIDATION_ERROR` naming the field.
    public func collect(limit: Int) async throws -> [UInt8] {
      var all: [UInt8] = []
      while let chunk = try await nextChunk() {
        guard all.count + chunk.count <= limit else {
          throw APIError(.validation, "field \(name.prefix(80)) is longer than \(limit) bytes; shorten it")
        }
        all.append(contentsOf: chunk)
      }
      return all
    }

    /// The whole part as text; `VALIDATION_ERROR` when it is not UTF-8.
    public func collectText(limit: Int) async throws -> String {
      guard let text = String(validating: try await collect(limit: limit), as: UTF8.self) else {
        throw APIError(.validation, "field \(name.prefix(80)) is not UTF-8 text; encode it so")
      }
      return text
    }
  }

  private enum State {
    case preamble
    case body
    /// A delimiter has been taken; `--` or a line end must follow.
    case afterDelimiter
    case end
  }

  private let limits: MultipartLimits
  private let source: () async throws -> [UInt8]?
  /// CR LF `--` boundary.
  private let delimiter: [UInt8]
  private var state = State.preamble
  /// Bytes taken from the source and not used yet: `buffer[start...]`.
  private var buffer: [UInt8]
  private var start = 0
  private var sourceEnded = false
  fileprivate var partNumber = 0

  /// - Parameters:
  ///   - boundary: from the media type; 1–70 characters (RFC 2046 §5.1.1).
  ///   - source: the body's next chunk, nil at its end.
  public init(
    boundary: String, limits: MultipartLimits = MultipartLimits(), source: @escaping () async throws -> [UInt8]?
  ) throws(APIError) {
    guard (1...70).contains(boundary.utf8.count) else {
      throw APIError(.validation, "the multipart boundary must have 1 to 70 characters")
    }
    self.limits = limits
    self.source = source
    delimiter = Array("\r\n--\(boundary)".utf8)
    // The first delimiter may stand at the very start, so it gets the line end that precedes every other.
    buffer = [0x0D, 0x0A]
  }

  /// The boundary of a `Content-Type`. `UNSUPPORTED_TYPE` for another type, `VALIDATION_ERROR` without a boundary.
  public static func boundary(contentType: String?) throws(APIError) -> String {
    guard let type = contentType.flatMap({ MediaType(parsing: $0) }), type.essence == "multipart/form-data" else {
      throw APIError(.unsupportedType, "the body must be multipart/form-data; set Content-Type so")
    }
    guard let boundary = type.parameters["boundary"], !boundary.isEmpty else {
      throw APIError(.validation, "Content-Type multipart/form-data lacks its boundary")
    }
    return boundary
  }

  /// The next part; nil after the last.
  public func nextPart() async throws -> Part? {
    while state == .body || state == .preamble {
      let skipped = try await nextChunk()
      guard partNumber == 0, let skipped else { continue }
      preambleBytes += skipped.count
      guard preambleBytes <= limits.preambleBytesMax else { throw malformed("no boundary at the start of the body") }
    }
    guard state == .afterDelimiter, try await beginPart() else { return nil }
    guard partNumber < limits.partsMax else { throw malformed("more than \(limits.partsMax) parts") }
    partNumber += 1
    let headers = try await readHeaders()
    state = .body
    let disposition = headers["Content-Disposition"].flatMap { ContentDisposition.parse($0) }
    return Part(
      name: disposition?.name ?? "", filename: disposition?.filename, contentType: headers["Content-Type"],
      headers: headers, reader: self, number: partNumber)
  }

  private var preambleBytes = 0

  /// Body bytes up to the next delimiter; nil when it has been reached (and taken).
  private func nextChunk() async throws -> [UInt8]? {
    guard state == .body || state == .preamble else { return nil }
    while true {
      let (plain, found) = scan()
      if plain > start {
        let chunk = Array(buffer[start..<plain])
        start = plain
        return chunk
      }
      if found {
        start += delimiter.count
        state = .afterDelimiter
        return nil
      }
      try await fill()
    }
  }

  /// Where the bytes that surely are body end, and whether a whole delimiter stands there.
  private func scan() -> (plain: Int, found: Bool) {
    buffer.withUnsafeBufferPointer { bytes in
      var index = start
      while index < bytes.count {
        guard let carriageReturn = Self.carriageReturn(in: bytes, from: index) else { return (bytes.count, false) }
        let available = min(delimiter.count, bytes.count - carriageReturn)
        if bytes[carriageReturn..<(carriageReturn + available)].elementsEqual(delimiter[..<available]) {
          return (carriageReturn, available == delimiter.count)
        }
        index = carriageReturn + 1
      }
      return (bytes.count, false)
    }
  }

  private static func carriageReturn(in bytes: UnsafeBufferPointer<UInt8>, from index: Int) -> Int? {
    // memchr looks at 32 bytes at a time: uploads of gigabytes pass through here.
    guard let base = bytes.baseAddress, let found = memchr(base + index, 0x0D, bytes.count - index) else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  /// Takes what follows a delimiter: true when a part begins, false at the end of the body.
  private func beginPart() async throws -> Bool {
    while buffer.count - start < 2 { try await fill() }
    if buffer[start] == UInt8(ascii: "-"), buffer[start + 1] == UInt8(ascii: "-") {
      state = .end
      // The epilogue means nothing, but the connection's next request comes after it.
      buffer = []
      start = 0
      while try await source() != nil {}
      return false
    }
    // Blanks between boundary and line end (transport padding, RFC 2046 §5.1.1), a few only.
    var padding = 0
    while buffer[start] == 0x20 || buffer[start] == 0x09 {
      padding += 1
      guard padding <= 64 else { throw malformed("a boundary is followed by too many blanks") }
      start += 1
      while buffer.count - start < 2 { try await fill() }
    }
    guard buffer[start] == 0x0D, buffer[start + 1] == 0x0A else {
      throw malformed("a boundary is not alone on its line")
    }
    start += 2
    return true
  }

  private func readHeaders() async throws -> HeaderFields {
    var headers = HeaderFields()
    var total = 0
    while true {
      let line = try await readLine(limit: limits.partHeaderBytesMax - total)
      total += line.count + 2
      if line.isEmpty { return headers }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
        line[..<colon].allSatisfy(FieldGrammar.isToken), line.allSatisfy(FieldGrammar.isFieldContent),
        let value = String(validating: line[(colon + 1)...], as: UTF8.self)
      else { throw malformed("a part's header is malformed") }
      headers.append(
        String(decoding: line[..<colon], as: UTF8.self), String(value[...].trimmingOptionalWhitespace()))
    }
  }

  private func readLine(limit: Int) async throws -> [UInt8] {
    var line: [UInt8] = []
    while true {
      if start == buffer.count { try await fill() }
      let byte = buffer[start]
      start += 1
      if byte == 0x0A {
        guard line.last == 0x0D else { throw malformed("a part's header line does not end with CR LF") }
        line.removeLast()
        return line
      }
      guard line.count < limit else { throw malformed("a part's headers are too long") }
      line.append(byte)
    }
  }

  /// Adds the source's next chunk to what is left.
  private func fill() async throws {
    guard !sourceEnded, let chunk = try await source() else {
      sourceEnded = true
      throw malformed("the body ends before its last boundary")
    }
    if start == buffer.count {
      buffer = chunk
    } else {
      buffer.removeFirst(start)
      buffer.append(contentsOf: chunk)
    }
    start = 0
  }

  private func malformed(_ reason: String) -> APIError {
    APIError(.validation, "the multipart body is malformed: \(reason)")
  }
}

/// A part of a multipart body.
public typealias MultipartPart = MultipartReader.Part
