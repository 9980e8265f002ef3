import Disk
import FoundationEssentials
import Testing

@Suite struct SyncSiteTests {
  /// A new sync needs a name of its own, and with that name a simulation that notices its absence: see
  /// `aSyncLeftOutIsCaughtSimulation`.
  @Test func everySyncOfTheEngineHasANameOfItsOwn() throws {
    var uses: [SyncSite: [String]] = [:]
    var unnamed: [String] = []
    for (file, lines) in try sources() {
      for (number, line) in lines.enumerated() {
        let found = SyncSite.allCases.filter { line.contains(".\($0.rawValue))") }
        for site in found { uses[site, default: []].append("\(file):\(number + 1)") }
        let isCall = ["sync(", "syncDirectory(", "syncFileSystem("].contains {
          line.contains(".\($0)") || line.contains("try \($0)")
        }
        if isCall, found.isEmpty { unnamed.append(file) }
      }
    }
    for site in SyncSite.allCases {
      #expect(uses[site]?.count == 1, "\(site) stands at \(uses[site] ?? [])")
    }
    // The tree hands on the name that it is given.
    #expect(unnamed == ["Store/DocumentTree.swift"])
  }

  /// The engine's source files, by path, with their lines of code.
  private func sources() throws -> [(String, [Substring])] {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let root = package.path + "/Sources"
    let files = try FileManager.default.subpathsOfDirectory(atPath: root).filter {
      $0.hasSuffix(".swift") && $0 != "Disk/SyncSite.swift" && !$0.hasPrefix("artstore-store-bench/")
    }
    #expect(files.count > 80, "the scan found too few files to mean anything")
    return try files.sorted().map { file in
      let text = String(decoding: try Data(contentsOf: URL(filePath: "\(root)/\(file)")), as: UTF8.self)
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      return (file, lines.map { $0.drop { $0 == " " }.hasPrefix("//") ? "" : $0 })
    }
  }
}
