internal import COpenSSL

/// A cryptographic operation that could not be done: what was attempted, and why not. Never holds key material.
public struct CryptoError: Error, Sendable, Hashable, CustomStringConvertible {
  public let operation: String
  public let reason: String

  public init(_ operation: String, reason: String) {
    self.operation = operation
    self.reason = reason
  }

  /// Takes the reason from OpenSSL's queue, which is empty afterwards.
  init(openSSL operation: String) {
    self.init(operation, reason: Self.drainReasons())
  }

  public var description: String { "\(operation): \(reason)" }

  private static func drainReasons() -> String {
    var reasons: [String] = []
    while case let code = ERR_get_error(), code != 0 {
      if let text = ERR_reason_error_string(code) { reasons.append(String(cString: text)) }
    }
    return reasons.isEmpty ? "OpenSSL gave no reason" : reasons.joined(separator: "; ")
  }
}
