internal import Core
public import Crypto

/// A JSON document signed with the fleet's trust key: the signature is over the very bytes that travel, so that no two
/// sides need to agree on how JSON is spelled.
public struct SignedMessage: Sendable, Hashable, Codable {
  /// Base64 (RFC 4648 §4) of the JSON document.
  public var payload: String
  /// Base64 of the trust key's signature over "artstore-signed-v1 " and the document.
  public var signature: String

  public init(payload: String, signature: String) {
    self.payload = payload
    self.signature = signature
  }

  static let prefix = Array("artstore-signed-v1 ".utf8)

  public static func make(_ value: some Encodable, by key: PrivateKey) throws -> SignedMessage {
    let bytes = try JSON.encode(value)
    return SignedMessage(
      payload: Base64.standard.encode(bytes), signature: Base64.standard.encode(try key.sign(prefix + bytes)))
  }

  /// The document, when `key` signed it. Throws `SignedMessageError`.
  public func open<Value: Decodable>(_ type: Value.Type, by key: PublicKey) throws(SignedMessageError) -> Value {
    guard let bytes = Base64.standard.decode(payload), let seal = Base64.standard.decode(signature) else {
      throw .malformed("payload and signature must be base64")
    }
    guard key.verify(signature: seal, of: Self.prefix + bytes) else { throw .wrongSignature }
    return try Self.decode(type, bytes)
  }

  /// The document without a look at its signature: to learn which key claims to have signed it (first claim only).
  public func unverified<Value: Decodable>(_ type: Value.Type) throws(SignedMessageError) -> Value {
    guard let bytes = Base64.standard.decode(payload) else { throw .malformed("payload must be base64") }
    return try Self.decode(type, bytes)
  }

  private static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws(SignedMessageError) -> Value
  {
    do { return try JSON.decode(type, from: bytes) } catch { throw .malformed(JSON.explain(error)) }
  }
}

public enum SignedMessageError: Error, Sendable, Hashable {
  case malformed(String)
  case wrongSignature
}
