import Core
import HTTP
import StorageAPI
import Synchronization

@testable import Store

private final class Replies: Sendable {
  let all = Mutex<[Result<Command.Reply, APIError>]>([])
  var codes: [ErrorCode?] {
    all.withLock { all in
      all.map { if case .failure(let error) = $0 { error.code } else { nil } }
    }
  }
}

extension Store {
  /// Commits on this thread; nothing enters SQLite by it. The code of each refusal.
  func commit(_ actions: [Command.Action]) -> [ErrorCode?] {
    let replies = Replies()
    committer.commit(
      actions.map { action in
        Command(action: action, actor: Actor("ivanov")) { reply in replies.all.withLock { $0.append(reply) } }
      })
    return replies.codes
  }

  /// A document that is ready to be committed.
  func prepared(_ bytes: [UInt8], id: FileID? = nil) async throws -> PreparedDocument {
    var draft = FileDraft(filename: "a.pdf", uploadedBy: "ivanov")
    draft.id = id
    let upload = try beginUpload(draft)
    try upload.take(bytes[...])
    let prepared = try await upload.prepare(expected: nil, attributes: nil).document
    upload.abort()
    return prepared
  }
}
