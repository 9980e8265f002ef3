import Core
import Testing

@testable import Store

struct PreparedDocumentsTests {
  static let a = FileID(high: 1, low: 1)
  static let b = FileID(high: 1, low: 2)

  @Test func keepsUntilAChange() {
    let prepared = PreparedDocuments()
    let generation = prepared.value(Self.a, as: Int.self).generation
    prepared.keep(7, for: Self.a, readAt: generation)
    prepared.keep(8, for: Self.b, readAt: generation)
    prepared.forget([Self.a])
    #expect(prepared.value(Self.a, as: Int.self).value == nil)
    #expect(prepared.value(Self.b, as: Int.self).value == 8)
  }

  /// A reader saw the old row, then the document changed, then the reader wants to keep what it made of the old row.
  @Test func whatWasReadBeforeAChangeIsNotKeptAfterIt() {
    let prepared = PreparedDocuments()
    let generation = prepared.value(Self.a, as: Int.self).generation
    prepared.forget([Self.a])
    prepared.keep(7, for: Self.a, readAt: generation)
    #expect(prepared.value(Self.a, as: Int.self).value == nil)
  }

  @Test func theOldestGoesFirst() {
    let prepared = PreparedDocuments()
    for number in 0...PreparedDocuments.countMax {
      prepared.keep(number, for: FileID(high: 0, low: UInt64(number)), readAt: 0)
    }
    #expect(prepared.value(FileID(high: 0, low: 0), as: Int.self).value == nil)
    #expect(prepared.value(FileID(high: 0, low: 1), as: Int.self).value == 1)
  }
}
