internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store

/// The fields of tus 1.0 (https://tus.io/protocols/resumable-upload): what is asked for and what is answered.
enum Tus {
  static let version = "1.0.0"
  static let extensions = "creation,creation-with-upload,checksum,expiration,termination"
  /// What a piece of an upload must be called.
  static let pieceType = "application/offset+octet-stream"
  static let fileID = "ArtStore-File-Id"

  static var algorithms: String { RunningDigest.Algorithm.allCases.map(\.rawValue).joined(separator: ",") }

  /// A client of another version is told which one is spoken here.
  static func requireVersion(_ head: RequestHead) throws(APIError) {
    guard head.header("tus-resumable") == version else {
      throw APIError(
        .preconditionFailed, "this is tus \(version); send Tus-Resumable: \(version)",
        headers: ["Tus-Version": version])
    }
  }

  /// A count of bytes; nil when the field is absent.
  static func count(_ name: StaticString, _ head: RequestHead) throws(APIError) -> Int? {
    guard let text = head.header(name) else { return nil }
    guard !text.isEmpty, text.utf8.count <= 18, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
      let value = Int(text)
    else { throw RecordValidation.refuse("\(name)", "must be a whole number of bytes, not negative") }
    return value
  }

  /// Whether the request carries a piece; one under another type is refused.
  static func carriesPiece(_ request: Request) throws(APIError) -> Bool {
    guard let type = request.head.header("content-type") else {
      if request.head.hasBody {
        throw APIError(.unsupportedType, "send the bytes of an upload with Content-Type: \(pieceType)")
      }
      return false
    }
    guard MediaType(parsing: type)?.essence == pieceType else {
      throw APIError(.unsupportedType, "send the bytes of an upload with Content-Type: \(pieceType)")
    }
    return true
  }

  /// What the client declares about the piece: `Upload-Checksum` of tus, `Content-Digest` of RFC 9530.
  static func digests(_ head: RequestHead) throws(APIError) -> [ResumableUpload.PieceDigest] {
    var digests: [ResumableUpload.PieceDigest] = []
    if let text = head.header("upload-checksum") {
      let words = text.split(separator: " ")
      guard words.count == 2, let algorithm = RunningDigest.Algorithm(rawValue: String(words[0])) else {
        throw RecordValidation.refuse(
          "Upload-Checksum", "must be one of \(algorithms), a space, and the digest in base64")
      }
      guard let value = Base64.standard.decode(words[1]), value.count == algorithm.count else {
        throw RecordValidation.refuse(
          "Upload-Checksum", "must be base64 of \(algorithm.count) bytes after \(algorithm.rawValue)")
      }
      digests.append(.init(algorithm, value))
    }
    if let sum = try DigestFields.declared(head.combined("content-digest"), name: "Content-Digest") {
      digests.append(.init(.sha256, sum.bytes))
    }
    return digests
  }
}
