internal import Configuration
internal import Core
internal import Telemetry

extension SettingKind where Value == LogLevel {
  static var level: SettingKind {
    let names = LogLevel.allCases.map(\.name).joined(separator: ", ")
    return SettingKind("one of \(names)") { text in
      LogLevel(text).map { .success($0) } ?? .failure(SettingProblem("must be one of \(names)"))
    } describe: {
      $0.name
    }
  }
}

extension SettingKind where Value == String {
  static var uuid: SettingKind {
    SettingKind("UUID") { text in
      FileID(text).map { .success($0.description) } ?? .failure(SettingProblem("must be a UUID"))
    } describe: {
      $0
    }
  }
}
