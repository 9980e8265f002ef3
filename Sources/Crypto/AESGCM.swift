internal import COpenSSL
public import Core

/// AES-256-GCM (NIST SP 800-38D). A sealed message is nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes).
public enum AESGCM {
  public static let keyByteCount = 32
  private static let nonceByteCount = 12
  private static let tagByteCount = 16

  /// Seals under a fresh random nonce. `authenticating` is bound to the message without being in it.
  public static func seal(
    _ message: [UInt8], key: [UInt8], authenticating: [UInt8] = [], random: any RandomSource
  ) throws(CryptoError) -> [UInt8] {
    let nonce = random.bytes(nonceByteCount)
    let context = try begin(key: key, nonce: nonce, encrypting: true, authenticating: authenticating)
    defer { EVP_CIPHER_CTX_free(context) }
    var out = [UInt8](repeating: 0, count: message.count)
    var tag = [UInt8](repeating: 0, count: tagByteCount)
    var written: Int32 = 0
    guard message.isEmpty || EVP_CipherUpdate(context, &out, &written, message, Int32(message.count)) == 1,
      EVP_CipherFinal_ex(context, &tag, &written) == 1,
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagByteCount), &tag) == 1
    else { throw CryptoError(openSSL: "sealing with AES-GCM") }
    return nonce + out + tag
  }

  /// Opens what `seal` made. Throws when key, bytes or `authenticating` are not those it was sealed with.
  public static func open(
    _ sealed: [UInt8], key: [UInt8], authenticating: [UInt8] = []
  ) throws(CryptoError) -> [UInt8] {
    guard sealed.count >= nonceByteCount + tagByteCount else {
      throw CryptoError("opening AES-GCM", reason: "shorter than nonce and tag")
    }
    let nonce = Array(sealed.prefix(nonceByteCount))
    var tag = Array(sealed.suffix(tagByteCount))
    let message = Array(sealed.dropFirst(nonceByteCount).dropLast(tagByteCount))
    let context = try begin(key: key, nonce: nonce, encrypting: false, authenticating: authenticating)
    defer { EVP_CIPHER_CTX_free(context) }
    var out = [UInt8](repeating: 0, count: message.count)
    var rest = [UInt8](repeating: 0, count: tagByteCount)
    var written: Int32 = 0
    guard message.isEmpty || EVP_CipherUpdate(context, &out, &written, message, Int32(message.count)) == 1,
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagByteCount), &tag) == 1,
      EVP_CipherFinal_ex(context, &rest, &written) == 1
    else {
      ERR_clear_error()
      throw CryptoError("opening AES-GCM", reason: "the message was not sealed with this key and context")
    }
    return out
  }

  private static func begin(
    key: [UInt8], nonce: [UInt8], encrypting: Bool, authenticating: [UInt8]
  ) throws(CryptoError) -> OpaquePointer {
    guard key.count == keyByteCount else {
      throw CryptoError("AES-GCM", reason: "the key has \(key.count) bytes, not \(keyByteCount)")
    }
    guard let context = EVP_CIPHER_CTX_new() else { throw CryptoError(openSSL: "starting AES-GCM") }
    var written: Int32 = 0
    guard EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, encrypting ? 1 : 0) == 1,
      authenticating.isEmpty
        || EVP_CipherUpdate(context, nil, &written, authenticating, Int32(authenticating.count)) == 1
    else {
      EVP_CIPHER_CTX_free(context)
      throw CryptoError(openSSL: "starting AES-GCM")
    }
    return context
  }
}
