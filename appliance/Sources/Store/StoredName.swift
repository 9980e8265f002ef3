internal import Core

/// Where a document is put: `files/2026/11/20/14/<stem>_<uploader>_<UTC time>_<uuid>.<extension>`, all of it readable
/// by whoever restores a backup by hand. The id makes it unique; the rest is for people.
enum StoredName {
  static let stemBytesMax = 100
  static let uploaderBytesMax = 40
  static let extensionBytesMax = 16

  /// The path below the data directory.
  static func path(id: FileID, filename: String, uploader: String, at time: Timestamp) -> String {
    let civil = CivilTime(time)
    var directory: [UInt8] = Array("files/".utf8)
    directory.appendDecimal(civil.year, width: 4)
    for part in [civil.month, civil.day, civil.hour] {
      directory.append(UInt8(ascii: "/"))
      directory.appendDecimal(part, width: 2)
    }
    var stamp: [UInt8] = []
    stamp.appendDecimal(civil.year, width: 4)
    stamp.appendDecimal(civil.month, width: 2)
    stamp.appendDecimal(civil.day, width: 2)
    stamp.append(UInt8(ascii: "T"))
    for part in [civil.hour, civil.minute, civil.second] { stamp.appendDecimal(part, width: 2) }
    let (stem, suffix) = split(filename)
    let name = [
      sanitised(stem, bytesMax: stemBytesMax), sanitised(uploader, bytesMax: uploaderBytesMax),
      String(decoding: stamp, as: UTF8.self), id.description,
    ].joined(separator: "_")
    let ending = sanitised(suffix, bytesMax: extensionBytesMax)
    return String(decoding: directory, as: UTF8.self) + "/" + name
      + (suffix.isEmpty || ending == "-" ? "" : "." + ending)
  }

  /// The attributes' path of a document's path.
  static func attributes(of path: String) -> String { path + ".attr.json" }

  /// Letters, digits and marks of any script, `.` and `-` inside; everything else becomes `-`. Cut on a character.
  static func sanitised(_ text: some StringProtocol, bytesMax: Int) -> String {
    var out = ""
    var isGap = false
    for character in text {
      let isPlain = character.unicodeScalars.allSatisfy {
        $0.properties.isAlphabetic || $0.properties.numericType != nil
          || $0.properties.generalCategory == .nonspacingMark
      }
      let next = isPlain || character == "." || character == "-" ? String(character) : "-"
      if next == "-", isGap { continue }
      guard out.utf8.count + next.utf8.count <= bytesMax else { break }
      out += next
      isGap = next == "-"
    }
    while let first = out.first, first == "." || first == "-" { out.removeFirst() }
    while let last = out.last, last == "." || last == "-" { out.removeLast() }
    return out.isEmpty ? "-" : out
  }

  /// The part before the last dot and the part after it; a name that begins with its only dot has no extension.
  private static func split(_ filename: String) -> (stem: Substring, suffix: Substring) {
    guard let dot = filename.lastIndex(of: "."), dot != filename.startIndex else { return (filename[...], "") }
    let suffix = filename[filename.index(after: dot)...]
    guard !suffix.isEmpty, suffix.utf8.count <= extensionBytesMax else { return (filename[...], "") }
    return (filename[..<dot], suffix)
  }
}
