public import Catalogue
internal import Core
internal import Crypto
internal import Postgres
internal import StorageAPI
internal import Synchronization
public import Telemetry

/// Where this process stands with each appliance's spans.
final class SpanPulls: Sendable {
  private let cursors = Mutex<[FileID: String]>([:])

  func cursor(of id: FileID) -> String? { cursors.withLock { $0[id] } }

  func note(_ cursor: String, of id: FileID) { cursors.withLock { $0[id] = cursor } }
}

extension FleetService {
  /// Fetches the spans that ended at the appliances since the last call, for they never dial out, and hands them to
  /// `deliver`; those of a delivery that fails come again. One replica at a time: a second one says so and does
  /// nothing. How many there were.
  public func pullSpans(
    _ deliver: @Sendable (StorageElement, [TraceSpan]) async throws -> Void
  ) async throws -> Int {
    let access = try await access(as: .admin)
    let elements = try await registry.list().filter { $0.status != .offline }
    return try await pool.withConnection { connection in
      guard try await connection.query("SELECT pg_try_advisory_lock(\(Self.spanLock))").scalar(Bool.self) else {
        return 0
      }
      var count = 0
      for element in elements {
        count += await pullSpans(access.client(for: element), deliver)
      }
      try await connection.query("SELECT pg_advisory_unlock(\(Self.spanLock))")
      return count
    }
  }

  /// "artspans" in ASCII.
  private static let spanLock: Int64 = 0x6172_7473_7061_6e73
  /// An appliance's ring holds four.
  private static let pagesMax = 8

  private func pullSpans(
    _ client: ApplianceClient, _ deliver: @Sendable (StorageElement, [TraceSpan]) async throws -> Void
  ) async -> Int {
    let id = client.element.id
    var count = 0
    do {
      for _ in 0..<Self.pagesMax {
        let page = try await client.spans(after: spanPulls.cursor(of: id))
        if page.missed > 0 {
          logger.notice(
            "fleet.spans.missed",
            ["storage_element": .string(client.element.name), "count": .integer(Int(clamping: page.missed))])
        }
        if !page.spans.isEmpty { try await deliver(client.element, page.spans) }
        spanPulls.note(page.cursor, of: id)
        count += page.spans.count
        if !page.hasMore { break }
      }
    } catch {
      // Traces are worth no alarm: the next run goes on from the same place.
      logger.info(
        "fleet.spans.failed", ["storage_element": .string(client.element.name), "error": .error(error)])
    }
    return count
  }
}
