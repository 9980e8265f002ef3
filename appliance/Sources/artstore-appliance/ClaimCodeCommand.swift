internal import ApplianceServer
internal import Core
internal import Disk
internal import Store

/// `claim-code`: works beside the running daemon, which reads the new code at the next attempt.
struct ClaimCodeCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    if try OwnFiles.load(context) != nil {
      throw CommandFailure.refused("the identity comes from files (SE_TLS_CERT …): nobody can claim this appliance")
    }
    let again = context.arguments.flags.contains("again")
    let newKey = context.arguments.flags.contains("new-key")
    guard again || !newKey else {
      throw CommandFailure.usage(
        "--new-key goes with --again: the fleet that knows the old key would not know this one")
    }
    // To forget a fleet under a running daemon would leave it half claimed.
    let lock = again ? try DataDirectoryLock.take(context.dataDirectory, disk: context.disk) : nil
    defer { lock?.close() }
    let state = try StateDirectory(dataDirectory: context.dataDirectory, disk: context.disk)
    guard let storageID = try state.storageID else {
      throw CommandFailure.refused(
        "there is no appliance in \(context.dataDirectory) yet; run 'artstore-appliance init'")
    }
    if newKey { try ApplianceIdentity.forget(state) }
    let identity = try ApplianceIdentity.open(state, storageID: storageID, time: context.time, random: context.random)
    do {
      let code = try PrintedClaimCode.current(
        state, identity: identity, again: again, time: context.time, random: context.random)
      context.show(code, storageID: storageID)
    } catch PrintedClaimCode.Problem.claimedAlready {
      throw CommandFailure.refused(
        "claimed already. To let another control plane claim it: stop the daemon, then claim-code --again"
      )
    }
  }
}

extension CommandContext {
  func show(_ code: PrintedClaimCode, storageID: FileID) {
    answer("claim code, valid until \(code.expiresAt):\n\n    \(code.text)\n") { json in
      json.member("claim_code", code.text)
      json.member("expires_at", code.expiresAt)
      json.member("storage_id", storageID.description)
    }
  }
}
