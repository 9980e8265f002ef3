import Core
import Testing

@testable import Postgres

@Suite struct QueryTests {
  @Test func interpolationsBecomeBinds() {
    let name = "x'; DROP TABLE files; --"
    let query: Query = "SELECT * FROM t WHERE a = \(name) AND b = \(5)"
    #expect(query.text == "SELECT * FROM t WHERE a = $1 AND b = $2")
    #expect(query.binds.count == 2)
    #expect(query.binds[0].bytes == Array(name.utf8))
  }

  @Test func fragmentsAreRenumbered() {
    let condition: Query = "b = \(2) AND c = \("$1")"
    let query: Query = "SELECT \(1) WHERE \(condition) LIMIT \(3)"
    #expect(query.text == "SELECT $1 WHERE b = $2 AND c = $3 LIMIT $4")
    #expect(query.binds.map { $0.bytes.map { String(decoding: $0, as: UTF8.self) } } == ["1", "2", "$1", "3"])
  }

  @Test func dollarQuotesAreLeftAlone() {
    var query: Query = "SELECT \(1)"
    query.append(", $$text$$, \(2)")
    #expect(query.text == "SELECT $1, $$text$$, $2")
  }

  @Test func joining() {
    #expect(Query.joined([], by: " AND ", empty: "true").text == "true")
    let query = Query.joined(["a = \(1)", "b = \(2)", "c = \(3)"], by: " AND ", empty: "true")
    #expect(query.text == "a = $1 AND b = $2 AND c = $3")
  }

  @Test(
    arguments: [
      ([], "{}"), (["a", "b c"], "{\"a\",\"b c\"}"), (["q\"\\"], "{\"q\\\"\\\\\"}"), (["NULL", ""], "{\"NULL\",\"\"}"),
    ] as [([String], String)])
  func arrayText(elements: [String], text: String) {
    #expect(ArrayText.write(elements) == text)
    let read = Array(text.utf8).withUnsafeBufferPointer { ArrayText.read($0) }
    #expect(read == elements.map { .some($0) })
  }

  @Test(arguments: ["", "{", "}", "{\"a", "{a,{b}}", "{\"a\"b}"])
  func badArrayText(text: String) {
    #expect(Array(text.utf8).withUnsafeBufferPointer { ArrayText.read($0) } == nil)
  }
}

@Suite struct PoolStateTests {
  final class Connection: Sendable {}

  @Test func opensUpToTheLimitThenQueuesThenRefuses() {
    var state = PoolState<Connection>(connectionsMax: 1, waitersMax: 1)
    guard case .granted(.open) = state.request() else { return #expect(Bool(false), "the first opens") }
    guard case .wait = state.enqueue(1) else { return #expect(Bool(false), "the second waits") }
    guard case .refused = state.request() else { return #expect(Bool(false), "the third is refused") }
    let connection = Connection()
    let served = state.giveBack(connection)
    #expect(served?.waiter == 1)
    #expect(state.idle.isEmpty)
  }

  @Test func aLostConnectionGivesItsPlaceToTheFirstWaiter() {
    var state = PoolState<Connection>(connectionsMax: 1, waitersMax: 5)
    _ = state.request()
    _ = state.enqueue(1)
    _ = state.enqueue(2)
    guard let served = state.lost(), case .open = served.grant else { return #expect(Bool(false), "nobody served") }
    #expect(served.waiter == 1)
    #expect(state.total == 1)
  }

  @Test func nobodyOvertakesThoseWhoWait() {
    var state = PoolState<Connection>(connectionsMax: 1, waitersMax: 5)
    _ = state.request()
    _ = state.enqueue(1)
    guard case .wait = state.request() else { return #expect(Bool(false), "a newcomer overtook") }
    let first = state.abandon(1)
    let second = state.abandon(1)
    #expect(first && !second)
  }

  @Test func closingReturnsEverybody() {
    var state = PoolState<Connection>(connectionsMax: 2, waitersMax: 5)
    _ = state.request()
    _ = state.request()
    _ = state.enqueue(7)
    let closed = state.close()
    #expect(closed.waiters == [7])
    let returned = state.giveBack(Connection())
    #expect(returned == nil)
    #expect(state.total == 1)
    guard case .closed = state.request() else { return #expect(Bool(false), "a closed pool lends") }
  }
}
