// swift-tools-version: 6.2
import PackageDescription

/// The kit: libraries that the appliance and the control plane share. The arrows are those of docs/ARCHITECTURE.md;
/// Tests/TidyTests reads the imports of all three packages and enforces them.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func suite(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: "\(name)Tests", dependencies: [.init(stringLiteral: name)] + dependencies, swiftSettings: strict)
}

/// AES-GCM on AVX-512. Only amd64 has it; linked into the programs, so that they start wherever OpenSSL is
/// (docs/decisions/0091).
#if arch(x86_64)
  let multiBuffer: [LinkerSetting] = [.linkedLibrary(":libIPSec_MB.a")]
#else
  let multiBuffer: [LinkerSetting] = []
#endif

let package = Package(
  name: "ArtStore",
  products: [
    "Core", "Configuration", "Telemetry", "Crypto", "HTTP", "JWT", "Reactor", "Service", "TLS", "HTTPServer",
    "StorageAPI", "TestKit", "FuzzTargets",
  ].map { .library(name: $0, targets: [$0]) },
  targets: [
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .target(name: "CLinux"),
    .target(name: "CTLS", dependencies: ["COpenSSL"], linkerSettings: multiBuffer),
    module("Core"),
    module("Configuration", ["Core"]),
    module("Telemetry", ["Core"]),
    module("Crypto", ["Core", "COpenSSL"]),
    module("HTTP", ["Core"]),
    module("JWT", ["Core", "Crypto"]),
    module("Reactor", ["Core", "CLinux"]),
    module("Service", ["Core", "Telemetry", "CLinux"]),
    module("TLS", ["Core", "Crypto", "Reactor", "COpenSSL", "CTLS"]),
    module("HTTPServer", ["Core", "Crypto", "HTTP", "JWT", "Reactor", "Service", "Telemetry", "TLS"]),
    module("StorageAPI", ["Core", "Crypto", "HTTP", "JWT", "HTTPServer", "Telemetry"]),
    module("TestKit", ["Core", "Crypto", "JWT"]),
    module("FuzzTargets", ["Core", "HTTP", "JWT", "StorageAPI"]),
    suite("Core", ["TestKit"]),
    suite("Configuration", ["Core", "TestKit"]),
    suite("Telemetry", ["Core", "TestKit"]),
    suite("Crypto", ["Core", "TestKit"]),
    suite("HTTP", ["Core", "TestKit"]),
    suite("JWT", ["Core", "Crypto", "TestKit"]),
    suite("Reactor", ["Core"]),
    suite("Service", ["Core", "Telemetry", "TestKit"]),
    suite("TLS", ["Core", "Crypto", "Reactor", "TestKit", "COpenSSL", "CTLS"]),
    suite("HTTPServer", ["Core", "Crypto", "HTTP", "JWT", "Reactor", "Service", "Telemetry", "TLS", "TestKit"]),
    suite("StorageAPI", ["Core", "Crypto", "HTTP", "JWT", "TestKit"]),
    suite("FuzzTargets", ["TestKit"]),
    .testTarget(name: "TidyTests", swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
