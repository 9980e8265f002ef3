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
  /// history was pruned. Reads the heads of files; with `contents` all of the sealed segments' bytes.
  public func chain(before number: UInt64?, limit: Int, contents: Bool = false) async throws(APIError) -> JournalChain {
    let found = ChainBox()
    try await workers.run { [self] () throws(APIError) in
      do throws(JournalError) {
        let inspection = try inspection()
        let links = try inspection.links(before: number, limit: limit, contents: contents)
        // The floor last: what is pruned in between counts as pruned, not as gone.
        let chain = JournalChain(
          epoch: shared.epoch, segments: links.map(JournalChain.Link.init), prunedLSN: try inspection.floor())
        found.held.withLock { $0 = chain }
      } catch {
        throw APIError(
          .internalError, "the journal's chain cannot be read; run 'journal verify' on the host", cause: error)
      }
    }
    guard let chain = found.held.withLock({ $0 }) else { throw .unexpected }
    return chain
  }

  /// Seals the journal's active segment although it is not full, when it holds history and none was sealed so in the
  /// last minutes; the chain's newest link either way. What is sealed is named by that link's hash, for others to keep.
  public func sealJournal(by actor: Actor) async throws(APIError) -> JournalSealAnswer {
    guard case .sealed(let link, let isNew) = try await committer.perform(.seal, by: actor) else { throw .unexpected }
    return JournalSealAnswer(sealed: isNew, head: JournalChain.Link(link))
  }
}

extension JournalChain.Link {
  fileprivate init(_ link: ChainLink) {
    self.init(number: link.number, epoch: link.epoch, firstLSN: link.firstLSN, previous: link.previous)
    hash = link.hash
    problem = link.problem
  }
}
