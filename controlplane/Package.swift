// swift-tools-version: 6.2
import PackageDescription

/// The control plane: admin, ingester, query and console in one program. It links neither SQLite nor LZ4.
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

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies + server, swiftSettings: strict)
}

func suite(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: "\(name)Tests",
    dependencies: [.init(stringLiteral: name), "PostgresTesting"] + dependencies + server + kit("TestKit"),
    swiftSettings: strict)
}

let package = Package(
  name: "ArtStoreControlPlane",
  products: [.executable(name: "artstore-controlplane", targets: ["artstore-controlplane"])],
  dependencies: [.package(name: "ArtStore", path: "..")],
  targets: [
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CArgon2", pkgConfig: "libargon2", providers: [.apt(["libargon2-dev"])]),
    .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
    .systemLibrary(name: "CMagic", pkgConfig: "libmagic", providers: [.apt(["libmagic-dev"])]),
    .systemLibrary(name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
    module("Postgres", ["CPostgres"]),
    .target(name: "PostgresTesting", swiftSettings: strict),
    module("HTTPClient", ["CCurl"]),
    module("Catalogue", ["Postgres", "HTTPClient"]),
    module("Identity", ["Catalogue", "Postgres", "CArgon2", "CQREncode"]),
    module("Fleet", ["Catalogue", "Postgres", "HTTPClient", "Identity"]),
    module("Ingest", ["Catalogue", "Postgres", "HTTPClient", "Fleet", "Identity", "CMagic"]),
    module("Search", ["Catalogue", "Postgres", "HTTPClient", "Fleet", "Identity"]),
    module("Console", ["Catalogue", "Postgres", "HTTPClient", "Identity", "Fleet", "Ingest", "Search"]),
    module(
      "ControlPlane",
      ["Postgres", "HTTPClient", "Catalogue", "Identity", "Fleet", "Ingest", "Search", "Console"]),
    .executableTarget(
      name: "artstore-controlplane", dependencies: ["ControlPlane", "CJemalloc"], swiftSettings: strict),
    suite("Postgres", []),
    suite("HTTPClient", []),
    suite("Catalogue", ["Postgres"]),
    suite("Identity", ["Catalogue", "Postgres"]),
    suite("Fleet", ["Catalogue", "Postgres", "HTTPClient", "Identity"]),
    suite("Ingest", ["Catalogue", "Postgres"]),
    suite("Search", ["Catalogue", "Postgres"]),
    suite("ControlPlane", ["Catalogue", "Fleet", "Identity", "Postgres"]),
    suite("Console", ["Identity"]),
  ],
  swiftLanguageModes: [.v6]
)
