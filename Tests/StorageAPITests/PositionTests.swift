import Core
import StorageAPI
import TestKit
import Testing

@Suite struct PositionTests {
  let position = Position(epoch: 1, generation: 2, incarnation: 3, lsn: 4)

  @Test func cursorsSurvive() {
    let seed = TestSeed()
    for _ in 0..<200 {
      let random = seed.random
      let position = Position(
        epoch: random.uint64(), generation: random.uint64(), incarnation: random.uint64(), lsn: random.uint64())
      #expect(Position(cursor: position.cursor) == position, "\(seed)")
      #expect(position.cursor.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
    }
  }

  @Test func aMangledCursorIsRecognised() {
    let seed = TestSeed()
    let cursor = Array(position.cursor)
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    for index in cursor.indices {
      var changed = cursor
      repeat { changed[index] = digits[seed.below(digits.count)] } while changed == cursor
      #expect(Position(cursor: String(changed)) == nil, "\(String(changed)) \(seed)")
    }
    for count in 0..<cursor.count { #expect(Position(cursor: String(cursor.prefix(count))) == nil) }
    for text in [position.cursor + "A", position.cursor + "=", " " + position.cursor, "4", "null", "ü"] {
      #expect(Position(cursor: text) == nil)
    }
  }

  /// The text is handed to clients and kept by the control plane: a change of its form is a change of the wire.
  @Test func theFormStays() {
    #expect(position.cursor == "AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAADAAAAAAAAAARyNsAM")
  }
}
