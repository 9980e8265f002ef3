/// The arrows of docs/ARCHITECTURE.md: a module may import modules of a lower rank only, of its own package or the kit.
enum Arrows {
  enum Package: String, CaseIterable {
    case kit, appliance, controlplane
  }

  struct Place {
    let package: Package
    /// Higher may import lower.
    let rank: Int
  }

  /// One row a rank, lowest first.
  private static let ranks: [(Package, [[String]])] = [
    (
      .kit,
      [
        ["Core"], ["Configuration", "Telemetry", "Crypto", "HTTP"], ["JWT", "Reactor", "Service"], ["TLS"],
        ["HTTPServer"], ["StorageAPI"], ["TestKit", "FuzzTargets"],
      ]
    ),
    (
      .appliance,
      [
        ["Disk", "Sandbox"], ["Journal"], ["Store"], ["Upkeep"], ["ApplianceServer", "ApplianceFuzzTargets"],
        ["artstore-appliance", "artstore-store-bench"],
      ]
    ),
    (
      .controlplane,
      [
        ["Postgres", "HTTPClient"], ["PostgresTesting"], ["Catalogue"], ["Identity"], ["Fleet"], ["Ingest", "Search"],
        ["Console"],
        ["ControlPlane"], ["artstore-controlplane"],
      ]
    ),
  ]

  static let places: [String: Place] = {
    var table: [String: Place] = [:]
    for (package, rows) in ranks {
      for (rank, names) in rows.enumerated() {
        for name in names { table[name] = Place(package: package, rank: rank) }
      }
    }
    return table
  }()

  /// C modules, and the modules that may import each.
  static let cModules: [String: Set<String>] = [
    "COpenSSL": ["Crypto", "TLS"],
    "CLinux": ["Reactor", "Service"],
    "CTLS": ["TLS"],
    "CDisk": ["Disk", "Journal"],
    "CSandbox": ["Sandbox"],
    "CSeccomp": ["Sandbox"],
    "CSQLite": ["Store"],
    "CLZ4": ["Journal"],
    "CPostgres": ["Postgres"],
    "CCurl": ["HTTPClient"],
    "CArgon2": ["Identity"],
    "CQREncode": ["Identity"],
    "CMagic": ["Ingest"],
    "CJemalloc": ["artstore-appliance", "artstore-controlplane"],
  ]

  /// Libraries that only tests may use.
  static let testSupport: Set<String> = ["TestKit", "PostgresTesting", "FuzzTargets", "ApplianceFuzzTargets"]

  /// What comes with the toolchain and may be imported anywhere. `Foundation` is left out on purpose: 40 MB.
  static let system: Set<String> = ["Glibc", "Synchronization", "FoundationEssentials", "Dispatch"]

  /// Why `module` must not import `imported`; nil if it may.
  static func objection(to imported: String, from module: String, inTests: Bool) -> String? {
    if system.contains(imported) { return nil }
    if imported == "Testing" { return inTests || testSupport.contains(module) ? nil : "Testing is for tests" }
    if inTests { return testObjection(to: imported, from: module) }
    if let allowed = cModules[imported] {
      return allowed.contains(module) ? nil : "only \(allowed.sorted().joined(separator: ", ")) may import \(imported)"
    }
    guard let from = places[module] else { return "\(module) has no place in Tests/TidyTests/Arrows.swift" }
    guard let to = places[imported] else { return "\(imported) is no module of ours and not allowed" }
    if testSupport.contains(imported), !testSupport.contains(module) { return "\(imported) is for tests" }
    if to.package == from.package {
      return to.rank < from.rank ? nil : "\(imported) does not lie below \(module)"
    }
    return to.package == .kit ? nil : "\(module) may import its own package and the kit, not \(to.package.rawValue)"
  }

  /// Tests may import whatever their module's package and the kit have, and that module's own C library.
  private static func testObjection(to imported: String, from suite: String) -> String? {
    let module = suite.hasSuffix("Tests") ? String(suite.dropLast(5)) : suite
    guard let from = places[module] else { return "\(suite) does not test a module of Tests/TidyTests/Arrows.swift" }
    if let allowed = cModules[imported] {
      return allowed.contains(module) ? nil : "tests of \(module) may not import \(imported)"
    }
    guard let to = places[imported] else { return "\(imported) is no module of ours and not allowed" }
    return to.package == from.package || to.package == .kit
      ? nil : "\(suite) may import its own package and the kit, not \(to.package.rawValue)"
  }
}
