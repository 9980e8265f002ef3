internal import COpenSSL

extension TLSError {
  /// Takes the reasons from this thread's OpenSSL queue, which is empty afterwards.
  init(openSSL operation: String) {
    var reasons: [String] = []
    while case let code = ERR_get_error(), code != 0 {
      if let text = ERR_reason_error_string(code) { reasons.append(String(cString: text)) }
    }
    self.init(operation, reason: reasons.isEmpty ? "OpenSSL gave no reason" : reasons.joined(separator: "; "))
  }
}
