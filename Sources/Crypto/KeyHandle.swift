internal import COpenSSL

/// Owns one EVP_PKEY.
final class KeyHandle: @unchecked Sendable {  // the key is never changed after init, and OpenSSL counts its references
  let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }

  deinit { EVP_PKEY_free(pointer) }
}

/// Reads PEM from text, or collects what OpenSSL writes as PEM.
enum PEM {
  static func read<Result>(_ text: String, _ body: (OpaquePointer) -> Result?) -> Result? {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { buffer -> Result? in
      guard buffer.count > 0, buffer.count <= 1 << 20,
        let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count))
      else { return nil }
      defer { BIO_free(bio) }
      return body(bio)
    }
  }

  static func write(_ operation: String, _ body: (OpaquePointer) -> Int32) throws(CryptoError) -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { throw CryptoError(openSSL: operation) }
    defer { BIO_free(bio) }
    guard body(bio) == 1 else { throw CryptoError(openSSL: operation) }
    var bytes: UnsafeMutablePointer<CChar>?
    let count = artstore_bio_bytes(bio, &bytes)
    return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  /// Lets OpenSSL write DER twice: once for the count, once for the bytes.
  static func der(_ operation: String, _ body: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32)
    throws(CryptoError) -> [UInt8]
  {
    let count = body(nil)
    guard count > 0 else { throw CryptoError(openSSL: operation) }
    return [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, filled in
      var cursor = buffer.baseAddress
      filled = Int(body(&cursor))
    }
  }
}
