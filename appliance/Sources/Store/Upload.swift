public import Core
public import HTTP

/// One document on its way in. Used by one task; releasing it without `finish` gives everything back.
public final class Upload: Sendable {
  public let id: FileID

  /// Takes the next bytes, hashing them. `FILE_TOO_LARGE`, `STORAGE_FULL`, `READ_ONLY`.
  public func write(_ bytes: [UInt8]) async throws(APIError) { throw .underConstruction }

  /// Bytes taken so far.
  public var count: Int { 0 }

  /// Makes the document durable and visible. `attributes`: when fields followed the bytes, the final draft (its id is
  /// ignored). `expected`: the checksum that the client declared; `CHECKSUM_MISMATCH` when the bytes have another.
  public func finish(
    expected: Checksum? = nil, attributes: FileDraft? = nil
  ) async throws(APIError) -> Committed { throw .underConstruction }

  /// Forgets the upload; nothing stays behind.
  public func abort() {}

  init(id: FileID) { self.id = id }
}
