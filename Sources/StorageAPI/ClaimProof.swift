public import Core
internal import Crypto

/// The proof that a side of a claim knows the code's secret, bound to this TLS connection (RFC 9266's idea: the
/// exporter of RFC 8446 §7.5 differs for a man in the middle), to the appliance's key and to both nonces. The role
/// keeps a proof from being reflected.
public enum ClaimProof {
  public static let exporterLabel = "EXPORTER-artstore-claim"
  public static let exporterByteCount = 32
  public static let nonceByteCount = 16

  public enum Role: String, Sendable { case controlplane, appliance }

  /// HMAC-SHA256(secret, "artstore-claim-v1 <role>" ‖ exporter ‖ SPKI hash ‖ control plane's nonce ‖ appliance's
  /// nonce), 32 bytes. Every part but the role has a fixed length, so that no two inputs make the same message.
  public static func make(
    secret: [UInt8], role: Role, exporter: [UInt8], spkiHash: Checksum, controlPlaneNonce: [UInt8],
    applianceNonce: [UInt8]
  ) -> [UInt8] {
    precondition(exporter.count == exporterByteCount)
    precondition(controlPlaneNonce.count == nonceByteCount && applianceNonce.count == nonceByteCount)
    let message =
      Array("artstore-claim-v1 \(role.rawValue)".utf8) + exporter + spkiHash.bytes + controlPlaneNonce + applianceNonce
    return HMACSHA256.code(key: secret, message: message)
  }

  /// Constant-time comparison of a proof in hex with the expected bytes.
  public static func verify(_ text: String, equals expected: [UInt8]) -> Bool {
    guard let given = Hex.decode(text), given.count == expected.count else { return false }
    return ConstantTime.equal(given, expected)
  }
}
