/// What the command line asks for.
enum Command: Equatable {
  case serve
  /// `isOffline`: the log alone, without asking the appliances for their journals.
  case auditVerify(json: Bool, isOffline: Bool = false)
  case fleetBackup(file: String, keyFile: String)
  case fleetRestore(file: String, keyFile: String)
  case fleetRotateKey(role: String)
  case printConfiguration
  case version
  case help
}

/// The program cannot do what was asked.
struct CommandError: Error, CustomStringConvertible {
  /// `sysexits.h`.
  enum ExitCode: Int32 {
    case damageFound = 1
    case usage = 64
    case unavailable = 69
    case software = 70
    case configuration = 78
  }

  let description: String
  let exitCode: ExitCode

  init(_ description: String, exitCode: ExitCode) {
    self.description = description
    self.exitCode = exitCode
  }
}

/// The words after the program's name.
struct CommandLine: Equatable {
  var command = Command.serve
  /// `--roles`; nil leaves it to `CP_ROLES`.
  var roles: [String]?
  /// `--config`: a file of `KEY=value` lines.
  var configurationFile: String?

  static let help = """
    artstore-controlplane [serve] [--roles admin,ingester,query,console] [--config FILE]
    artstore-controlplane audit verify [--offline] [--json] [--config FILE]
    artstore-controlplane fleet backup FILE --key-file KEY | fleet restore FILE --key-file KEY
    artstore-controlplane fleet rotate-key admin|ingester|query|console
    artstore-controlplane --print-config | --version | --help

    Settings come from the environment (CP_…) or from FILE; --print-config explains every one.

    """

  static func parse(_ arguments: [String]) throws(CommandError) -> CommandLine {
    var line = CommandLine()
    var words: [String] = []
    var json = false
    var isOffline = false
    var keyFile: String?
    var rest = arguments[...]
    func value(of option: String) throws(CommandError) -> String {
      guard let value = rest.popFirst() else { throw CommandError("\(option) needs a value", exitCode: .usage) }
      return value
    }
    while let argument = rest.popFirst() {
      switch argument {
      case "--roles": line.roles = try value(of: argument).split(separator: ",").map(String.init)
      case "--config": line.configurationFile = try value(of: argument)
      case "--json": json = true
      case "--offline": isOffline = true
      case "--key-file": keyFile = try value(of: argument)
      case "--print-config": line.command = .printConfiguration
      case "--version": line.command = .version
      case "--help", "-h": line.command = .help
      case _ where argument.hasPrefix("--roles="):
        line.roles = argument.dropFirst(8).split(separator: ",").map(String.init)
      case _ where argument.hasPrefix("-"):
        throw CommandError("unknown option '\(argument)'\n\(help)", exitCode: .usage)
      default: words.append(argument)
      }
    }
    switch words {
    case [], ["serve"]: break
    case ["audit", "verify"]: line.command = .auditVerify(json: json, isOffline: isOffline)
    case let words where words.count == 3 && words[0] == "fleet":
      line.command = try fleet(words[1], words[2], keyFile: keyFile)
    default: throw CommandError("unknown command '\(words.joined(separator: " "))'\n\(help)", exitCode: .usage)
    }
    return line
  }

  private static func fleet(_ verb: String, _ object: String, keyFile: String?) throws(CommandError) -> Command {
    switch (verb, keyFile) {
    case ("backup", let key?): return .fleetBackup(file: object, keyFile: key)
    case ("restore", let key?): return .fleetRestore(file: object, keyFile: key)
    case ("backup", nil), ("restore", nil):
      throw CommandError(
        "fleet \(verb) needs --key-file: 32 random bytes as text (openssl rand -base64 32), kept apart from the copy",
        exitCode: .usage)
    case ("rotate-key", nil): return .fleetRotateKey(role: object)
    default: throw CommandError("unknown command 'fleet \(verb)'\n\(help)", exitCode: .usage)
    }
  }
}
