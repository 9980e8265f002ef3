internal import HTTP

extension FuzzTarget {
  /// The same parts however the bytes are cut; and what was written is read again.
  public static var multipart: FuzzTarget {
    FuzzTarget("multipart", inputBytesMax: 1024) { input throws(Violation) in
      var limits = MultipartLimits()
      limits.partsMax = 16
      limits.partHeaderBytesMax = 512
      limits.preambleBytesMax = 64
      let pieces = Pieces(of: input)
      let whole = FormOutcome([input], limits)
      for way in pieces.ways(input) {
        let other = FormOutcome(way, limits)
        try require(other == whole, "in \(way.count) pieces \(other), at once \(whole)")
      }
      try require(whole.parts.reduce(0) { $0 + $1.body.count } <= input.count, "more body than bytes")

      let bodies = Array(pieces.ways(input)[2].prefix(8))
      // A body that holds the delimiter is what nobody may write.
      guard !bodies.contains(where: { Self.contains($0, Array("--b".utf8)) }) else { return }
      let form = encode(bodies)
      for way in Pieces(of: form).ways(form) {
        let read = FormOutcome(way, limits)
        try require(read.parts.map(\.body) == bodies && !read.isRefused, "what was written is not read")
        try require(read.parts.map(\.name) == bodies.indices.map { "f\($0)" }, "names are lost")
      }
    }
  }

  private static func encode(_ bodies: [[UInt8]]) -> [UInt8] {
    var out: [UInt8] = []
    for (index, body) in bodies.enumerated() {
      out += Array("--b\r\nContent-Disposition: form-data; name=\"f\(index)\"\r\n\r\n".utf8) + body + [0x0D, 0x0A]
    }
    return out + Array("--b--\r\n".utf8)
  }

  private static func contains(_ bytes: [UInt8], _ wanted: [UInt8]) -> Bool {
    bytes.indices.contains { bytes[$0...].starts(with: wanted) }
  }
}

/// What reading a form with the boundary `b` came to.
private struct FormOutcome: Equatable, Sendable {
  struct Part: Equatable, Sendable {
    let name: String
    let filename: String?
    let contentType: String?
    var body: [UInt8] = []
  }

  var parts: [Part] = []
  var isRefused = false

  init(_ pieces: [[UInt8]], _ limits: MultipartLimits) {
    self = CallingThread.run { await FormOutcome(reading: pieces, limits) }
  }

  private init(reading pieces: [[UInt8]], _ limits: MultipartLimits) async {
    var rest = pieces[...]
    do {
      let reader = try MultipartReader(boundary: "b", limits: limits) { rest.popFirst() }
      while let part = try await reader.nextPart() {
        parts.append(Part(name: part.name, filename: part.filename, contentType: part.contentType))
        while let chunk = try await part.nextChunk() { parts[parts.count - 1].body += chunk }
      }
    } catch {
      isRefused = true
      // How much of the last part had been seen depends on the pieces.
      if !parts.isEmpty { parts.removeLast() }
    }
  }
}
