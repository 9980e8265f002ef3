public import Core

/// Writes structured entries: an event in plain words plus fields. A value; `with` adds fields for all that
/// follows.
/// Secrets never go in here: there is no redaction to rely on.
public struct Logger: Sendable {
  public let label: String
  public let level: LogLevel
  private let format: LogFormat
  private let sink: any LogSink
  private let time: any TimeSource
  private var context: [(String, LogValue)] = []

  public init(
    label: String, level: LogLevel = .info, format: LogFormat = .json, sink: any LogSink,
    time: any TimeSource = SystemTime()
  ) {
    self.label = label
    self.level = level
    self.format = format
    self.sink = sink
    self.time = time
  }

  /// A logger that says nothing: for tests that do not look at logs.
  public static let silent = Logger(label: "silent", level: .error, sink: NoSink())

  /// The same logger with more fields on every entry.
  public func with(_ fields: KeyValuePairs<String, LogValue>) -> Logger {
    var copy = self
    copy.context += fields.map { ($0.key, $0.value) }
    return copy
  }

  public func debug(
    _ event: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    if level <= .debug { write(.debug, event(), fields()) }
  }

  public func info(
    _ event: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    if level <= .info { write(.info, event(), fields()) }
  }

  public func notice(
    _ event: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    if level <= .notice { write(.notice, event(), fields()) }
  }

  public func warning(
    _ event: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    if level <= .warning { write(.warning, event(), fields()) }
  }

  public func error(
    _ event: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    if level <= .error { write(.error, event(), fields()) }
  }

  private func write(_ level: LogLevel, _ event: String, _ fields: KeyValuePairs<String, LogValue>) {
    switch format {
    case .json:
      var line = JSONWriter.document { json in
        json.object { json in
          json.member("time", time.now())
          json.member("level", level.name)
          json.member("logger", label)
          json.member("event", event)
          for (key, value) in context {
            json.key(key)
            value.write(&json)
          }
          for (key, value) in fields {
            json.key(key)
            value.write(&json)
          }
        }
      }
      line.append(UInt8(ascii: "\n"))
      sink.write(line)
    case .text:
      var line = "\(time.now()) \(level.name) \(label): \(Self.oneLine(event))"
      for (key, value) in context { line += " \(key)=\(Self.oneLine(value.plain))" }
      for (key, value) in fields { line += " \(key)=\(Self.oneLine(value.plain))" }
      sink.write(Array((line + "\n").utf8))
    }
  }

  /// A hostile value must not be able to forge a second line or drive the terminal (C0 and C1 controls).
  private static func oneLine(_ text: String) -> String {
    let isControl: (Unicode.Scalar) -> Bool = { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? " " : $0 }))
  }
}

/// Where log lines go.
public protocol LogSink: Sendable {
  /// One whole line with its newline. Must not block for long and must not fail.
  func write(_ line: [UInt8])
}

struct NoSink: LogSink {
  func write(_ line: [UInt8]) {}
}
