internal import Glibc

/// IP addresses as certificates hold them.
enum IPAddress {
  /// 4 or 16 bytes in network order; nil when `text` is no address.
  static func bytes(_ text: String) -> [UInt8]? {
    for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
      var out = [UInt8](repeating: 0, count: count)
      if inet_pton(family, text, &out) == 1 { return out }
    }
    return nil
  }

  static func text(_ bytes: [UInt8]) -> String {
    var out = [UInt8](repeating: 0, count: 64)
    let isWritten = out.withUnsafeMutableBytes { buffer in
      inet_ntop(
        bytes.count == 4 ? AF_INET : AF_INET6, bytes, buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
        socklen_t(buffer.count)) != nil
    }
    return isWritten ? String(decoding: out.prefix { $0 != 0 }, as: UTF8.self) : ""
  }
}
