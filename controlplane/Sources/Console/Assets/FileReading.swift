internal import FoundationEssentials

/// Reads a small file at start-up; nil when it is not there or cannot be read: the caller names the setting then.
func readWholeFile(_ path: String) -> [UInt8]? {
  let data = try? Data(contentsOf: URL(filePath: path))  // absence is an answer here, reported by name
  return data.map { Array($0) }
}
