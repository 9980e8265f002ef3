internal import COpenSSL

/// HMAC with SHA-256 (RFC 2104): 32 bytes.
public enum HMACSHA256 {
  public static func code(key: [UInt8], message: [UInt8]) -> [UInt8] {
    keyedHash(EVP_sha256(), count: 32, key: key, message: message)
  }
}

/// HMAC with SHA-1: 20 bytes. For one-time passwords only (RFC 6238), where authenticators know nothing else.
public enum HMACSHA1 {
  public static func code(key: [UInt8], message: [UInt8]) -> [UInt8] {
    keyedHash(EVP_sha1(), count: 20, key: key, message: message)
  }
}

private func keyedHash(_ hash: OpaquePointer?, count: Int, key: [UInt8], message: [UInt8]) -> [UInt8] {
  var out = [UInt8](repeating: 0, count: count)
  var written: UInt32 = 0
  // An empty array has no base address; OpenSSL takes a null key as "the key before", so an empty key gets one byte to
  // point at.
  let source = key.isEmpty ? [0] : key
  let result = HMAC(hash, source, Int32(key.count), message, message.count, &out, &written)
  precondition(result != nil && Int(written) == count, "an HMAC over memory cannot fail")
  return out
}

/// HKDF with SHA-256 (RFC 5869).
public enum HKDF {
  /// `count` bytes, at most 8160.
  public static func derive(secret: [UInt8], salt: [UInt8] = [], info: String, count: Int) -> [UInt8] {
    precondition(count <= 255 * 32)
    let key = HMACSHA256.code(key: salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt, message: secret)
    var out: [UInt8] = []
    var block: [UInt8] = []
    var counter: UInt8 = 1
    while out.count < count {
      block = HMACSHA256.code(key: key, message: block + Array(info.utf8) + [counter])
      out.append(contentsOf: block)
      counter &+= 1
    }
    return Array(out.prefix(count))
  }
}

/// Comparison whose duration tells nothing about where two secrets differ. Lengths are not secret.
public enum ConstantTime {
  public static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && (a.isEmpty || CRYPTO_memcmp(a, b, a.count) == 0)
  }

  public static func equal(_ a: String, _ b: String) -> Bool { equal(Array(a.utf8), Array(b.utf8)) }
}
