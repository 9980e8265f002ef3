/// Reads Prometheus' text exposition format 0.0.4, strictly: what it does not understand it throws at.
struct PrometheusText {
  struct Malformed: Error { let line: String }

  struct Sample: Hashable {
    var name: String
    var labels: [String: String]
  }

  var types: [String: String] = [:]
  var samples: [Sample: Double] = [:]

  init(_ bytes: [UInt8]) throws {
    guard let text = String(validating: bytes, as: UTF8.self), text.isEmpty || text.hasSuffix("\n") else {
      throw Malformed(line: "the end")
    }
    for line in text.split(separator: "\n") {
      if line.hasPrefix("# HELP ") { continue }
      if line.hasPrefix("# TYPE ") {
        let parts = line.split(separator: " ")
        guard parts.count == 4, types[String(parts[2])] == nil else { throw Malformed(line: String(line)) }
        types[String(parts[2])] = String(parts[3])
        continue
      }
      var rest = line[...]
      let name = rest.prefix { $0 == "_" || $0 == ":" || $0.isLetter || $0.isNumber }
      rest = rest.dropFirst(name.count)
      var labels: [String: String] = [:]
      if rest.first == "{" { labels = try Self.labels(&rest) }
      guard rest.first == " ", let value = Self.value(rest.dropFirst()), !name.isEmpty else {
        throw Malformed(line: String(line))
      }
      let sample = Sample(name: String(name), labels: labels)
      guard samples[sample] == nil else { throw Malformed(line: "twice: \(line)") }
      samples[sample] = value
    }
    for sample in samples.keys {
      let base = ["_bucket", "_sum", "_count"].first { sample.name.hasSuffix($0) }.map {
        sample.name.dropLast($0.count)
      }
      guard types[sample.name] != nil || base.flatMap({ types[String($0)] }) == "histogram" else {
        throw Malformed(line: "no TYPE: \(sample.name)")
      }
    }
  }

  subscript(_ name: String, _ labels: [String: String] = [:]) -> Double? { samples[Sample(name: name, labels: labels)] }

  private static func value(_ text: Substring) -> Double? {
    switch text {
    case "+Inf": .infinity
    case "-Inf": -.infinity
    case "NaN": .nan
    default: text.allSatisfy { $0.isNumber || "+-.e".contains($0) } ? Double(text) : nil
    }
  }

  private static func labels(_ rest: inout Substring) throws -> [String: String] {
    let line = String(rest)
    var labels: [String: String] = [:]
    rest.removeFirst()
    while rest.first != "}" {
      let name = rest.prefix { $0 == "_" || $0.isLetter || $0.isNumber }
      rest = rest.dropFirst(name.count)
      guard !name.isEmpty, rest.hasPrefix("=\"") else { throw Malformed(line: line) }
      rest = rest.dropFirst(2)
      var value = ""
      while let character = rest.popFirst(), character != "\"" {
        guard character == "\\" else {
          value.append(character)
          continue
        }
        switch rest.popFirst() {
        case "n": value.append("\n")
        case "\\": value.append("\\")
        case "\"": value.append("\"")
        default: throw Malformed(line: line)
        }
      }
      labels[String(name)] = value
      if rest.first == "," { rest.removeFirst() } else if rest.first != "}" { throw Malformed(line: line) }
    }
    rest.removeFirst()
    return labels
  }
}
