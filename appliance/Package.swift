// swift-tools-version: 6.2
import PackageDescription

/// The storage element: one daemon. It links neither libpq nor libcurl: an appliance never dials out.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

func kit(_ names: String...) -> [Target.Dependency] { names.map { .product(name: $0, package: "ArtStore") } }

let server = kit(
  "Core", "Configuration", "Crypto", "HTTP", "HTTPServer", "JWT", "Reactor", "Service", "StorageAPI", "TLS",
  "Telemetry")

let package = Package(
  name: "ArtStoreAppliance",
  products: [.executable(name: "artstore-appliance", targets: ["artstore-appliance"])],
  dependencies: [.package(name: "ArtStore", path: "..")],
  targets: [
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
    .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .target(name: "CDisk"),
    .target(name: "CSandbox"),
    .target(name: "Sandbox", dependencies: ["CSandbox", "CSeccomp"], swiftSettings: strict),
    .target(name: "Disk", dependencies: ["CDisk"] + kit("Core"), swiftSettings: strict),
    .target(
      name: "Journal", dependencies: ["Disk", "CDisk", "CLZ4"] + kit("Core", "Crypto", "Telemetry"),
      swiftSettings: strict),
    .target(
      name: "Store",
      dependencies: ["Disk", "Journal", "CSQLite"]
        + kit("Core", "Crypto", "HTTP", "Reactor", "StorageAPI", "Telemetry"),
      swiftSettings: strict),
    .target(
      name: "Upkeep",
      dependencies: ["Disk", "Journal", "Store"]
        + kit("Core", "Crypto", "HTTP", "Reactor", "Service", "StorageAPI", "Telemetry"),
      swiftSettings: strict),
    .target(
      name: "ApplianceServer", dependencies: ["Disk", "Store", "Upkeep"] + server, swiftSettings: strict),
    .target(
      name: "ApplianceFuzzTargets",
      dependencies: ["Journal", "Store"] + kit("Core", "StorageAPI", "FuzzTargets"), swiftSettings: strict),
    .executableTarget(
      name: "artstore-appliance",
      dependencies: ["Disk", "Journal", "Store", "Upkeep", "ApplianceServer", "Sandbox", "CJemalloc"] + server,
      swiftSettings: strict),
    .executableTarget(
      name: "artstore-store-bench", dependencies: ["Disk", "Store"] + kit("Core", "Crypto", "StorageAPI"),
      swiftSettings: strict),
    .testTarget(name: "SandboxTests", dependencies: ["Sandbox", "CSandbox"], swiftSettings: strict),
    .testTarget(name: "DiskTests", dependencies: ["CDisk", "Disk"] + kit("Core", "TestKit"), swiftSettings: strict),
    .testTarget(
      name: "JournalTests", dependencies: ["Journal", "Disk"] + kit("Core", "TestKit"), exclude: ["Fixtures"],
      swiftSettings: strict),
    .testTarget(
      name: "StoreTests",
      dependencies: ["Store", "Journal", "Disk", "Upkeep"]
        + kit("Core", "Crypto", "HTTP", "Reactor", "Service", "StorageAPI", "Telemetry", "TestKit"),
      exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(
      name: "ApplianceFuzzTargetsTests", dependencies: ["ApplianceFuzzTargets"] + kit("FuzzTargets", "TestKit"),
      swiftSettings: strict),
    .testTarget(
      name: "ApplianceServerTests", dependencies: ["ApplianceServer", "Store", "Disk"] + server + kit("TestKit"),
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
