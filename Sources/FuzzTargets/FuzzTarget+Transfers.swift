internal import Core
internal import HTTP
internal import StorageAPI

extension FuzzTarget {
  /// `Upload-Metadata` of a resumable upload is refused or read, within its bounds, and its own text reads the same.
  public static var uploadMetadata: FuzzTarget {
    FuzzTarget("upload-metadata", inputBytesMax: UploadMetadata.bytesMax + 64) { input throws(Violation) in
      let field = String(decoding: input, as: UTF8.self)
      guard let read = metadata(field) else { return }
      try require(field.utf8.count <= UploadMetadata.bytesMax, "\(field.utf8.count) bytes were read")
      try require(read.pairs.count <= UploadMetadata.pairsMax, "\(read.pairs.count) pairs")
      try require(Set(read.pairs.map(\.key)).count == read.pairs.count, "a key stands there twice")
      for (key, _) in read.pairs {
        try require(!key.isEmpty && key.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2C }, "the key \(key)")
      }
      let text = read.field
      guard let again = metadata(text) else { throw Violation("what was written is not read: \(text)") }
      try require(again == read, "\(text) is read otherwise")
      try require(again.field == text, "one value has two texts")
    }
  }

  /// A cursor of the change feed: nothing but what we gave out is read, and that has one text.
  public static var cursor: FuzzTarget {
    FuzzTarget("cursor", inputBytesMax: 200) { input throws(Violation) in
      let text = String(decoding: input, as: UTF8.self)
      if let read = Position(cursor: text) {
        try require(read.cursor == text, "\(text) is read, and written as \(read.cursor)")
      }
      // What we give out ourselves, with the input as its numbers.
      guard input.count >= 32 else { return }
      func word(_ index: Int) -> UInt64 { input[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) } }
      let own = Position(epoch: word(0), generation: word(1), incarnation: word(2), lsn: word(3))
      try require(Position(cursor: own.cursor) == own, "\(own) is not read back")
    }
  }

  private static func metadata(_ field: String) -> UploadMetadata? {
    do throws(APIError) { return try UploadMetadata(field: field) } catch { return nil }
  }
}
