import Core
import HTTP
import StorageAPI

@testable import Store

// What clients and the operator do while the store runs.
extension StoreSimulation {
  /// Changes until the plan strikes or the life is over.
  func live(_ store: Store, changes: Int) async throws {
    for _ in 0..<changes {
      if disk.isDown || store.readOnlyReason != nil { return }
      clock.advance(.milliseconds(Int64(random.below(30_000))))
      switch random.below(28) {
      case 0..<6: await upload(store, size: random.below(1500))
      case 6..<8: await upload(store, size: 2000 + random.below(9000))
      case 8..<11: change(store)
      case 11: gone(store)
      case 12:
        did(.place)
        store.shared.placements.place(upTo: 1 + random.below(3))
      case 13:
        did(.keep)
        store.keeper.run()
      case 14: takeIndexSnapshot()
      case 15:
        did(.attest)
        store.committer.attest()
      case 16: changeMode(store)
      case 17..<19: try look(store)
      case 19: try await upkeep(store)
      case 26: try troubleIndex(store)
      case 20:
        did(.seal)
        seal(store)
      default:
        store.step()
        collect()
      }
    }
    if random.percent(30), !disk.isDown { store.flush() }
  }

  /// Commits and answers everything that waits.
  func drain(_ store: Store) {
    while store.committer.step() > 0 {}
    collect()
  }

  private func upload(_ store: Store, size: Int) async {
    var draft = FileDraft(filename: ["отчёт.pdf", "a b.txt", "x"][random.below(3)], uploadedBy: "tester")
    if random.percent(50) { draft.id = .random(sources) }
    if store.mode == .edit, random.percent(30) { draft.ttlDays = 1 + random.below(3) }
    let bytes = random.bytes(size)
    did(size > store.configuration.smallDocumentBytesMax ? .uploadLarge : .uploadSmall)
    do throws(APIError) {
      let upload = try store.beginUpload(draft)
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + 1 + random.below(4000))
        try upload.take(bytes[start..<end])
        start = end
      }
      if random.percent(5) {
        did(.abort)
        return upload.abort()
      }
      let prepared = try await upload.prepare(expected: nil, attributes: nil)
      let change = SimulationModel.Change.put(bytes, expiresAt: prepared.document.record.expiresAt)
      let ticket = submit(store, .put(prepared.document), upload.id, change) { upload.abort() }
      uploads[ticket] = upload
    } catch {
      // Refused before anything was promised.
    }
  }

  private func change(_ store: Store) {
    guard let id = pick(), let document = model.expected(id), document.status == .active else { return }
    if random.percent(70) {
      let text = "d\(random.below(1000))"
      did(.patch)
      submit(store, .patch(id, FilePatch(description: .some(text))), id, .describe(text))
    } else {
      did(.delete)
      submit(store, .delete(id), id, .delete)
    }
  }

  private func gone(_ store: Store) {
    guard let id = pick(), let document = model.expected(id), document.status != .active else { return }
    clock.advance(.seconds(1))
    did(.purge)
    submit(store, .purge(id, before: clock.now()), id, .purge)
  }

  private func changeMode(_ store: Store) {
    let (target, action): (ApplianceMode, Command.Action) =
      switch store.mode {
      case .edit, .rw: (.ro, .transition(.ro, confirm: false))
      case .ro: random.percent(70) ? (.rw, .transition(.rw, confirm: true)) : (.ar, .transition(.ar, confirm: true))
      // On the host, with the daemon stopped.
      case .ar: (.ro, .setMode(.ro))
      }
    did(.transition)
    let inbox = inbox
    model.submit(target)
    do throws(APIError) {
      try store.committer.submit(
        Command(action: action, actor: Actor("tester")) { result in
          switch result {
          case .success: inbox.modes.append((target, true))
          case .failure(let error): inbox.modes.append((target, error.code == .readOnly ? nil : false))
          }
        })
    } catch {
      model.answer(target, isAcknowledged: false)
    }
  }

  /// As the control plane asks for at each sync; nobody waits for the answer.
  private func seal(_ store: Store) {
    // A full queue refuses it like any command, and it is asked for again.
    try? store.committer.submit(Command(action: .seal, actor: Actor("tester")) { _ in })  // see the line above
  }

  /// Reads a document while the store runs.
  private func look(_ store: Store) throws {
    guard let id = pick(), !disk.isDown, !store.shared.index.isBroken else { return }
    did(.read)
    if let wrong = model.see(id, try shown(store, id)) { throw fail(wrong) }
  }

  private func pick() -> FileID? {
    let ids = model.ids
    return ids.isEmpty ? nil : ids[random.below(ids.count)]
  }

  /// The number under which its answer comes.
  @discardableResult
  private func submit(
    _ store: Store, _ action: Command.Action, _ id: FileID, _ change: SimulationModel.Change,
    refused: () -> Void = {}
  ) -> Int {
    let inbox = inbox
    let ticket = model.submit(id, change)
    do throws(APIError) {
      try store.committer.submit(
        Command(action: action, actor: Actor("tester")) { inbox.answers.append((id, ticket, $0)) })
    } catch {
      model.refuse(id, ticket)
      refused()
    }
    return ticket
  }

  /// Tells the model what was answered.
  func collect() {
    for answer in inbox.answers {
      switch answer.result {
      case .success(let reply):
        if case .committed(let done) = reply { note("acknowledged \(answer.id) at LSN \(done.position.lsn)") }
        model.acknowledge(answer.id, answer.ticket)
      case .failure(let error):
        // A later change of the same document may be refused while its upload still waits.
        uploads[answer.ticket]?.isRefused(error)
        // A store that stopped does not know either.
        if error.code != .readOnly { model.refuse(answer.id, answer.ticket) }
      }
    }
    for answer in inbox.modes {
      if let isAcknowledged = answer.isAcknowledged { model.answer(answer.target, isAcknowledged: isAcknowledged) }
    }
    inbox.answers = []
    inbox.modes = []
  }
}
