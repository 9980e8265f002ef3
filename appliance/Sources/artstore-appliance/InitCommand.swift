internal import ApplianceServer
internal import Core
internal import Disk
internal import Store

/// `init`: makes an empty appliance, so that its claim code can be read before the daemon first runs. `init --adopt`:
/// takes over a restored copy as a new life, so that nobody mistakes its history for the one that went on elsewhere.
struct InitCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    if context.arguments.flags.contains("adopt") { return try adopt() }
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

  private func adopt() throws {
    let configuration = context.storeConfiguration
    // A wrong SE_DATA_DIR must not become an empty store on the way.
    guard try context.disk.stat(configuration.dataDirectory + "/state/store.json") != nil else {
      throw CommandFailure.refused(
        "there is no appliance in \(configuration.dataDirectory) to take over; restore the copy first")
    }
    let (store, previous) = try Store.adopt(
      configuration, disk: context.disk, time: context.time, random: context.random)
    defer { store.close() }
    let summary = store.summary
    let lines = """
      appliance \(store.storageID) taken over at LSN \(summary.lastLSN): epoch \(previous) ended, \(summary.epoch) \
      began.
      The control plane takes a full sync; what the copy lacks is reported as missing until an administrator accepts it.
      """
    context.answer(lines) { json in
      json.member("storage_id", store.storageID.description)
      json.member("previous_epoch", previous)
      json.member("epoch", summary.epoch)
      json.member("last_lsn", summary.lastLSN)
    }
  }
}
