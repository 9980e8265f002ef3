import Core
import Testing

@testable import Store

struct PreparedDocumentsTests {
  final class Number: DocumentAnswer {
    let value: Int

    init(_ value: Int) { self.value = value }
  }

  static let a = FileID(high: 1, low: 1)
  static let b = FileID(high: 1, low: 2)

  private static func value(_ id: FileID, in prepared: PreparedDocuments) -> Int? {
    (prepared.value(id).value as? Number)?.value
  }

  @Test func keepsUntilAChange() {
    let prepared = PreparedDocuments()
    let generation = prepared.value(Self.a).generation
    prepared.keep(Number(7), for: Self.a, readAt: generation)
    prepared.keep(Number(8), for: Self.b, readAt: generation)
    prepared.forget([Self.a])
    #expect(Self.value(Self.a, in: prepared) == nil)
    #expect(Self.value(Self.b, in: prepared) == 8)
  }

  /// A reader saw the old row, then the document changed, then the reader wants to keep what it made of the old row.
  @Test func whatWasReadBeforeAChangeIsNotKeptAfterIt() {
    let prepared = PreparedDocuments()
    let generation = prepared.value(Self.a).generation
    prepared.forget([Self.a])
    prepared.keep(Number(7), for: Self.a, readAt: generation)
    #expect(Self.value(Self.a, in: prepared) == nil)
  }

  @Test func theOldestGoesFirst() {
    let prepared = PreparedDocuments()
    for number in 0...PreparedDocuments.countMax {
      prepared.keep(Number(number), for: FileID(high: 0, low: UInt64(number)), readAt: 0)
    }
    #expect(Self.value(FileID(high: 0, low: 0), in: prepared) == nil)
    #expect(Self.value(FileID(high: 0, low: 1), in: prepared) == 1)
  }
}
