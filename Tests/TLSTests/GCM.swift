import COpenSSL
import CTLS

/// AES-GCM of one provider, driven through EVP as OpenSSL's record layer does it.
final class GCM {
  enum Provider { case ours, openSSL }

  private let library: OpaquePointer
  private let provider: OpaquePointer?
  private let cipher: OpaquePointer
  let context: OpaquePointer

  /// Nil when the provider has no such cipher here: ours on other processors.
  init?(_ name: String, by wanted: Provider) {
    library = OSSL_LIB_CTX_new()
    provider = wanted == .ours ? artstore_gcm_load(library) : OSSL_PROVIDER_load(library, "default")
    context = EVP_CIPHER_CTX_new()
    guard provider != nil, let cipher = EVP_CIPHER_fetch(library, name, nil) else { return nil }
    self.cipher = cipher
    EVP_CipherInit_ex(context, cipher, nil, nil, nil, 1)
  }

  /// Another context on the same provider.
  init(beside other: GCM) {
    library = other.library
    provider = nil
    cipher = other.cipher
    context = EVP_CIPHER_CTX_new()
    EVP_CIPHER_up_ref(cipher)
    EVP_CipherInit_ex(context, cipher, nil, nil, nil, 1)
    isBeside = true
  }

  private var isBeside = false

  deinit {
    EVP_CIPHER_CTX_free(context)
    EVP_CIPHER_free(cipher)
    guard !isBeside else { return }
    if let provider { OSSL_PROVIDER_unload(provider) }
    OSSL_LIB_CTX_free(library)
  }

  func use(key: [UInt8]) -> Bool { EVP_CipherInit_ex(context, nil, nil, key, nil, -1) == 1 }

  func begin(sealing: Bool, nonce: [UInt8]) -> Bool {
    EVP_CipherInit_ex(context, nil, nil, nil, nonce, sealing ? 1 : 0) == 1
  }

  func add(_ additional: [UInt8]) -> Bool {
    var count: CInt = 0
    return EVP_CipherUpdate(context, nil, &count, additional, CInt(additional.count)) == 1
  }

  /// In place, as records are.
  func pass(_ text: inout [UInt8], _ range: Range<Int>) -> Bool {
    text.withUnsafeMutableBufferPointer { bytes in
      guard let base = bytes.baseAddress, !range.isEmpty else { return true }
      var count: CInt = 0
      let at = base + range.lowerBound
      return EVP_CipherUpdate(context, at, &count, at, CInt(range.count)) == 1 && count == CInt(range.count)
    }
  }

  func end() -> Bool {
    var none: CInt = 0
    var byte: UInt8 = 0
    return EVP_CipherFinal_ex(context, &byte, &none) == 1
  }

  func expect(tag: [UInt8]) -> Bool {
    var tag = tag
    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CInt(tag.count), &tag) == 1
  }

  func tag() -> [UInt8]? {
    var tag = [UInt8](repeating: 0, count: 16)
    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag) == 1 ? tag : nil
  }

  /// A sealed text with its tag; nil when a step was refused.
  func seal(_ text: [UInt8], nonce: [UInt8], additional: [UInt8] = []) -> (text: [UInt8], tag: [UInt8])? {
    var text = text
    guard begin(sealing: true, nonce: nonce), additional.isEmpty || add(additional),
      pass(&text, 0..<text.count), end(), let tag = tag()
    else { return nil }
    return (text, tag)
  }

  /// Nil when it is not genuine.
  func open(_ text: [UInt8], tag: [UInt8], nonce: [UInt8], additional: [UInt8] = []) -> [UInt8]? {
    var text = text
    guard begin(sealing: false, nonce: nonce), expect(tag: tag), additional.isEmpty || add(additional),
      pass(&text, 0..<text.count), end()
    else { return nil }
    return text
  }
}
