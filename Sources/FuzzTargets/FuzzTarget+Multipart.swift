internal import HTTP

extension FuzzTarget {
  /// The same parts however the bytes are cut; and what was written is read again.
  public static var multipart: FuzzTarget {
    FuzzTarget("multipart", inputBytesMax: 512) { input throws(Violation) in
      var limits = MultipartLimits()
      limits.partsMax = 16
      limits.partHeaderBytesMax = 512
      limits.preambleBytesMax = 64
      let pieces = Pieces(of: input)
      let outcomes = FormOutcome.each(pieces.ways(input), limits)
      let whole = outcomes[0].outcome
      for (way, other) in outcomes {
        try require(other == whole, "in \(way.count) pieces \(other), at once \(whole)")
      }
      try require(whole.parts.reduce(0) { $0 + $1.body.count } <= input.count, "more body than bytes")

      // A form with none of the input's bytes is the same one again and again.
      guard !input.isEmpty else { return }
      let bodies = Array(pieces.cut(input, upTo: 64, way: 2).prefix(8))
      // A body that holds the delimiter is what nobody may write.
      guard !bodies.contains(where: { Self.contains($0, Array("--b".utf8)) }) else { return }
      let form = encode(bodies)
      let again = Pieces(of: form)
      for (_, read) in FormOutcome.each([[form], again.cut(form, upTo: 7, way: 1)], limits) {
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
    guard bytes.count >= wanted.count else { return false }
    return (0...(bytes.count - wanted.count)).contains { place in
      wanted.indices.allSatisfy { bytes[place + $0] == wanted[$0] }
    }
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

  /// What each way of cutting comes to, in one task: making one costs as much as reading a small form.
  static func each(_ ways: [[[UInt8]]], _ limits: MultipartLimits) -> [(way: [[UInt8]], outcome: FormOutcome)] {
    let outcomes = CallingThread.run {
      var outcomes: [FormOutcome] = []
      for way in ways { outcomes.append(await FormOutcome(reading: way, limits)) }
      return outcomes
    }
    return Array(zip(ways, outcomes)).map { (way: $0, outcome: $1) }
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
