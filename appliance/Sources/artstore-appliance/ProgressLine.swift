internal import Glibc

/// A counter on a terminal's error stream, for what takes long; silent where nobody looks.
struct ProgressLine {
  private let what: String
  private let isShown: Bool
  /// Redrawing for each of millions would cost more than the work.
  static let step = 100

  init(_ what: String) {
    self.what = what
    isShown = isatty(STDERR_FILENO) == 1
  }

  func show(_ count: Int) {
    if isShown, count % Self.step == 0 { Terminal.note("\r\(count) \(what)") }
  }

  func end() {
    if isShown { Terminal.note("\r\u{1B}[K") }
  }
}
