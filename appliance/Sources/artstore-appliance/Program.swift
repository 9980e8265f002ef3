internal import CJemalloc
internal import Configuration
internal import Core
internal import Glibc
internal import Service
internal import TLS

/// Reads the command line, runs the command, turns what went wrong into a plain sentence and an exit status.
enum Program {
  static let usage = """
    artstore-appliance \(Product.version): keeps documents for years on this machine.

      serve                    run the daemon
      init                     make an empty appliance and print its claim code
      init --adopt             take over a restored copy as a new life: old positions are void (daemon stopped)
      claim-code [--again]     print the code an administrator claims this appliance with; --again forgets the
                               fleet that has claimed it (daemon stopped); with --new-key also
                               its key, when that was revoked
      status                   who holds the data directory, mode, claim, certificate
      mode --set ro            leave the mode ar (daemon stopped)
      fsck [--quick]           check documents, attributes, index and journal (daemon stopped)
      rebuild-index            make the index anew from the attributes (daemon stopped)
      journal list|verify      the journal's segments and their chain
      journal show FILE_ID     everything that happened to a document
      export --to DIR          copy all active documents with their attributes

      --config FILE            KEY=value lines; the environment beats it
      --print-config           every setting with its default, as such a file
      --json                   machine-readable answers
      --version, --help

    Exit status: 0 done, 1 done and found something wrong, 64 typed wrongly, 70 internal, 73 data directory in use,
    74 disk or file error, 75 not possible in the present state, 78 configuration.
    """

  static func start(_ arguments: [String]) -> Never {
    do {
      let arguments = try Arguments(arguments)
      if arguments.flags.contains("help") || arguments.words.first == "help" { end(Terminal.print(usage)) }
      if arguments.flags.contains("version") { end(version(arguments)) }
      let environment = ProcessEnvironment.read()
      let context = try CommandContext(arguments, environment: environment)
      if arguments.flags.contains("print-config") { end(Terminal.print(Settings.table.describe(context.values))) }
      guard let command = arguments.words.first else { throw CommandFailure.usage("say what to do\n\n\(usage)") }
      if command != "journal" { try arguments.allow(words: 1) }
      let daemon = try command == "serve" ? daemon(context, environment) : nil
      MainThread.run {
        do {
          if let daemon { try await daemon.run() } else { try await run(command, context) }
          return 0
        } catch {
          return complain(error)
        }
      }
    } catch {
      exit(complain(error))
    }
  }

  private static func end(_: Void) -> Never { exit(0) }

  private static func complain(_ error: any Error) -> Int32 {
    let failure = CommandFailure(error)
    Terminal.complain(failure.text)
    return failure.status
  }

  /// What must happen while the main thread is the only one.
  private static func daemon(_ context: CommandContext, _ environment: [String: String]) throws -> Serve {
    let inherited = try InheritedSockets.take(environment)
    let confinement = try Confinement.fenceFiles(context)
    // Its thread is the first.
    let signals = ProcessSignals()
    return Serve(context: context, signals: signals, confinement: confinement, inherited: inherited)
  }

  private static func run(_ command: String, _ context: CommandContext) async throws {
    switch command {
    case "init": try InitCommand(context).run()
    case "claim-code": try ClaimCodeCommand(context).run()
    case "status": try StatusCommand(context).run()
    case "mode": try await ModeCommand(context).run()
    case "rebuild-index": try RebuildIndexCommand(context).run()
    case "fsck": try FsckCommand(context).run()
    case "journal": try JournalCommand(context).run()
    case "export": try ExportCommand(context).run()
    default: throw CommandFailure.usage("there is no command '\(command.prefix(40))'; --help lists them")
    }
  }

  private static func version(_ arguments: Arguments) {
    guard arguments.isJSON else { return Terminal.print("artstore-appliance \(Product.version)") }
    let json = JSONWriter.document { json in
      json.object { json in
        json.member("version", Product.version)
        json.member("allocator", allocator)
        json.member("record_cipher", TLSServerContext.recordCipher)
      }
    }
    Terminal.print(String(decoding: json, as: UTF8.self))
  }

  /// Naming a function of jemalloc is what makes the linker keep it, so that it serves every malloc of the process.
  private static var allocator: String {
    var name: UnsafePointer<CChar>?
    var size = MemoryLayout<UnsafePointer<CChar>?>.size
    guard mallctl("version", &name, &size, nil, 0) == 0, let name else { return "unknown" }
    return "jemalloc \(String(cString: name))"
  }
}
