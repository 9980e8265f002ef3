internal import ApplianceServer
internal import Core
internal import Store

/// `init`: makes an empty appliance, so that its claim code can be read before the daemon first runs.
struct InitCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    let store = try context.openStore()
    defer { store.close() }
    let storageID = store.storageID
    let state = try StateDirectory(dataDirectory: context.dataDirectory, disk: context.disk)
    if try OwnFiles.load(context) != nil {
      return context.answer("appliance \(storageID) in \(context.dataDirectory), identity from files") { json in
        json.member("storage_id", storageID.description)
      }
    }
    let identity = try ApplianceIdentity.open(state, storageID: storageID, time: context.time, random: context.random)
    do {
      let code = try PrintedClaimCode.current(
        state, identity: identity, again: false, time: context.time, random: context.random)
      context.show(code, storageID: storageID)
    } catch PrintedClaimCode.Problem.claimedAlready {
      context.answer("appliance \(storageID) in \(context.dataDirectory) exists and is claimed") { json in
        json.member("storage_id", storageID.description)
        json.member("claimed", true)
      }
    }
  }
}
