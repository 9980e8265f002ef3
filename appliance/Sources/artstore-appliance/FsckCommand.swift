internal import Core
internal import Upkeep

/// `fsck [--quick]`: reads everything, changes nothing. Exit status 1 when something is wrong.
struct FsckCommand {
  let context: CommandContext

  init(_ context: CommandContext) { self.context = context }

  func run() throws {
    let isQuick = context.arguments.flags.contains("quick")
    let fsck = Fsck(context.storeConfiguration, disk: context.disk, time: context.time, isQuick: isQuick)
    let progress = ProgressLine("documents checked")
    let report = try fsck.run { progress.show($0) }
    progress.end()
    context.print(report.json, or: report.lines)
    if !report.isClean { throw CommandFailure.findings("fsck found damage; nothing was changed") }
  }
}
