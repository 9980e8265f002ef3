internal import Glibc

/// A bar, or where the end is unknown a counter, on a terminal's error stream, for what takes long; silent where nobody
/// looks.
struct ProgressLine {
  private let what: String
  private let step: Int
  private let isShown: Bool
  private static let width = 30

  /// Redrawn every `step`: for each of millions it would cost more than the work.
  init(_ what: String, every step: Int = 100) {
    self.what = what
    self.step = step
    isShown = isatty(STDERR_FILENO) == 1
  }

  func show(_ count: Int, of total: Int? = nil) {
    guard isShown, count % step == 0 || count == total else { return }
    Terminal.note("\r" + Self.text(count, of: total, what))
  }

  static func text(_ count: Int, of total: Int?, _ what: String) -> String {
    guard let total, total > 0 else { return "\(count) \(what)" }
    let share = min(1, Double(count) / Double(total))
    let filled = Int(share * Double(width))
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    return "[\(bar)] \(Int(share * 100)) %  \(count) of \(total) \(what)"
  }

  func end() {
    if isShown { Terminal.note("\r\u{1B}[K") }
  }
}
