import FoundationEssentials

/// One Swift source file of the repository, split into what is code and what is comment.
struct SourceFile {
  /// Path relative to the repository's root.
  let path: String
  let lines: [SourceLine]

  init(path: String, text: String) {
    self.path = path
    self.lines = SourceLine.split(text)
  }

  /// `Core` for `Sources/Core/FileID.swift` and for `Tests/CoreTests/…`: the folder under Sources or Tests.
  var module: String {
    let parts = path.split(separator: "/")
    guard let folder = parts.lastIndex(where: { $0 == "Sources" || $0 == "Tests" }), folder + 1 < parts.count else {
      return ""
    }
    return String(parts[folder + 1])
  }

  var isTest: Bool { path.hasPrefix("Tests/") || path.contains("/Tests/") }
}

/// The packages' sources on disk.
enum SourceTree {
  /// The repository's root, two folders above this file's folder.
  static var root: String {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/")
  }

  static let packageFolders = ["", "appliance/", "controlplane/"]

  /// Every file with one of the extensions below Sources and Tests of the three packages.
  static func files(withExtensions extensions: Set<String> = ["swift"]) throws -> [SourceFile] {
    var found: [SourceFile] = []
    for folder in packageFolders.flatMap({ [$0 + "Sources", $0 + "Tests"] }) {
      let top = root + "/" + folder
      for name in try FileManager.default.subpathsOfDirectory(atPath: top).sorted() {
        let last = name.split(separator: "/").last ?? ""
        guard let ending = last.split(separator: ".").last, ending != last, extensions.contains(String(ending)) else {
          continue
        }
        let text = try String(contentsOfFile: top + "/" + name, encoding: .utf8)
        found.append(SourceFile(path: folder + "/" + name, text: text))
      }
    }
    return found
  }

  /// Names of the modules of all three packages: the folders below Sources.
  static func moduleFolders() throws -> [String] {
    try packageFolders.flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: root + "/" + folder + "Sources")
        .filter { !$0.hasPrefix(".") }
    }.sorted()
  }
}
