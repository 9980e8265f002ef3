internal import ApplianceServer
internal import Core
internal import Disk

/// `status`: what can be known on the host without a certificate. Reads files only; disturbs nobody.
struct StatusCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    guard try context.disk.stat(context.dataDirectory + "/state") != nil else {
      throw CommandFailure.refused(
        "there is no appliance in \(context.dataDirectory) yet; run 'artstore-appliance init'")
    }
    let state = try StateDirectory(dataDirectory: context.dataDirectory, disk: context.disk)
    let holder = holder()
    let addresses = holder == nil ? nil : try state.addresses
    let facts = try state.facts
    var lines = [holder.map { "running: \($0)" } ?? "not running"]
    if let addresses { lines += ["api: \(addresses.api)", "probe: \(addresses.probe)"] }
    lines += facts.map { "\($0.name): \($0.value)" }
    context.answer(lines.joined(separator: "\n")) { json in
      json.member("running", holder != nil)
      if let holder { json.member("holder", holder) }
      if let addresses {
        json.member("api", addresses.api)
        json.member("probe", addresses.probe)
      }
      for fact in facts { json.member(fact.key, fact.value) }
    }
  }

  /// Who holds the lock, in its own words; nil when nobody does.
  private func holder() -> String? {
    do throws(DiskError) {
      try context.disk.lock(context.dataDirectory + "/state/lock", holder: "artstore-appliance status").close()
      return nil
    } catch {
      return error.holder
    }
  }
}

extension JSONWriter {
  mutating func member(_ name: String, _ value: String) {
    key(name)
    string(value)
  }
}
