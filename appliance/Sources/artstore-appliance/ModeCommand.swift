internal import StorageAPI
internal import Store

/// `mode --set`: the way out of `ar`, and only here: on the host, with the daemon stopped.
struct ModeCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() async throws {
    guard let text = context.arguments.options["set"] else {
      throw CommandFailure.usage("mode needs --set ro; 'status' tells the present mode")
    }
    guard let target = ApplianceMode(rawValue: text) else {
      throw CommandFailure.usage("--set must be one of edit, rw, ro, ar")
    }
    let store = try context.openStore()
    defer { store.close() }
    let previous = store.mode
    let isWayOut = previous == .ar && target == .ro
    guard isWayOut || previous == target else {
      throw CommandFailure.refused(
        "the mode is \(previous); on the host only ar → ro is possible, the rest by POST /api/v1/mode/transition")
    }
    if isWayOut { try await store.setMode(target, by: Actor("root on the host")) }
    context.answer("mode \(store.mode) (was \(previous))") { json in
      json.member("previous_mode", previous.rawValue)
      json.member("current_mode", store.mode.rawValue)
    }
  }
}
