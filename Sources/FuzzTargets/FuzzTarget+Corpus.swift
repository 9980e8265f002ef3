internal import FoundationEssentials

extension FuzzTarget {
  /// The target's files in the checkout that this was built from: seeds, and every input that ever violated something.
  public func corpus() throws -> [(name: String, bytes: [UInt8])] {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    let folder = "\(root)/Fuzz/Corpus/\(name)"
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { file in
      (file, Array(try Data(contentsOf: URL(filePath: "\(folder)/\(file)"))))
    }
  }
}
