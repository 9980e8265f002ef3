public import HTTP
internal import Journal
public import StorageAPI
internal import Synchronization

/// Carries an answer from a thread that may block.
private final class ChainBox: Sendable {
  let held = Mutex<JournalChain?>(nil)
}

extension Store {
  /// The newest `limit` links of the journal's chain below segment `number` (all when nil), newest first, and where
  /// history was pruned. Reads the heads of files.
  public func chain(before number: UInt64?, limit: Int) async throws(APIError) -> JournalChain {
    let found = ChainBox()
    try await workers.run { [self] () throws(APIError) in
      do throws(JournalError) {
        let inspection = try inspection()
        let links = try inspection.links(before: number, limit: limit).map {
          JournalChain.Link(number: $0.number, epoch: $0.epoch, firstLSN: $0.firstLSN, previous: $0.previous)
        }
        // The floor last: what is pruned in between counts as pruned, not as gone.
        let chain = JournalChain(epoch: shared.epoch, segments: links, prunedLSN: try inspection.floor())
        found.held.withLock { $0 = chain }
      } catch {
        throw APIError(
          .internalError, "the journal's chain cannot be read; run 'journal verify' on the host", cause: error)
      }
    }
    guard let chain = found.held.withLock({ $0 }) else { throw .unexpected }
    return chain
  }
}
