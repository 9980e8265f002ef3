internal import Core

/// Where a document is put: `files/2026/11/20/14/<stem>_<uploader>_<UTC time>_<uuid>.<extension>`, all of it readable
/// by whoever restores a backup by hand. The id makes it unique; the rest is for people. An hour with many documents
/// goes on in `files/2026/11/20/14/0001/…` (`HourDirectories`).
enum StoredName {
  static let stemBytesMax = 100
  static let uploaderBytesMax = 40
  static let extensionBytesMax = 16

  /// The path below the data directory. `directory`: which of the hour's, 0 for its own.
  static func path(
    id: FileID, filename: String, uploader: String, at time: Timestamp, directory number: Int = 0
  ) -> String {
    let civil = CivilTime(time)
    var directory: [UInt8] = Array("files/".utf8)
    directory.appendDecimal(civil.year, width: 4)
    for part in [civil.month, civil.day, civil.hour] {
      directory.append(UInt8(ascii: "/"))
      directory.appendDecimal(part, width: 2)
    }
    if number > 0 {
      directory.append(UInt8(ascii: "/"))
      directory.appendDecimal(number, width: 4)
    }
    var stamp: [UInt8] = []
    stamp.appendDecimal(civil.year, width: 4)
    stamp.appendDecimal(civil.month, width: 2)
    stamp.appendDecimal(civil.day, width: 2)
    stamp.append(UInt8(ascii: "T"))
    for part in [civil.hour, civil.minute, civil.second] { stamp.appendDecimal(part, width: 2) }
    let (stem, suffix) = split(filename)
    var path = directory
    path.append(UInt8(ascii: "/"))
    path.append(contentsOf: sanitised(stem, bytesMax: stemBytesMax).utf8)
    path.append(UInt8(ascii: "_"))
    path.append(contentsOf: sanitised(uploader, bytesMax: uploaderBytesMax).utf8)
    path.append(UInt8(ascii: "_"))
    path.append(contentsOf: stamp)
    path.append(UInt8(ascii: "_"))
    path.append(contentsOf: id.description.utf8)
    let ending = suffix.isEmpty ? "-" : sanitised(suffix, bytesMax: extensionBytesMax)
    if ending != "-" {
      path.append(UInt8(ascii: "."))
      path.append(contentsOf: ending.utf8)
    }
    return String(decoding: path, as: UTF8.self)
  }

  /// The attributes' path of a document's path.
  static func attributes(of path: String) -> String { path + ".attr.json" }

  /// Letters, digits and marks of any script, `.` and `-` inside; everything else becomes `-`. Cut on a character.
  static func sanitised(_ text: some StringProtocol, bytesMax: Int) -> String {
    let plain = text.utf8.withContiguousStorageIfAvailable { ascii($0, bytesMax: bytesMax) }
    if case .some(.some(let name)) = plain { return name }
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

  /// The same for ASCII, byte by byte; nil when the text is more than that.
  private static func ascii(_ text: UnsafeBufferPointer<UInt8>, bytesMax: Int) -> String? {
    let (dot, dash) = (UInt8(ascii: "."), UInt8(ascii: "-"))
    var out: [UInt8] = []
    out.reserveCapacity(min(text.count, bytesMax))
    var isGap = false
    var isCut = false
    for byte in text {
      let next: UInt8
      switch byte {
      case 0x80...: return nil
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), dot:
        next = byte
      default: next = dash
      }
      if next == dash, isGap { continue }
      // Cut here; but what follows may still not be ASCII, and marks may join what is kept.
      if isCut || out.count == bytesMax {
        isCut = true
        continue
      }
      out.append(next)
      isGap = next == dash
    }
    let isEdge = { (byte: UInt8) in byte == dot || byte == dash }
    let kept = out.drop(while: isEdge)
    let end = kept.lastIndex { !isEdge($0) }.map { $0 + 1 } ?? kept.startIndex
    return kept.startIndex == end ? "-" : String(decoding: kept[kept.startIndex..<end], as: UTF8.self)
  }

  /// The part before the last dot and the part after it; a name that begins with its only dot has no extension.
  private static func split(_ filename: String) -> (stem: Substring, suffix: Substring) {
    // In ASCII every byte is a character; elsewhere a mark may stand on the dot, which then is none.
    let isPlain = filename.utf8.allSatisfy { $0 < 0x80 }
    let last = isPlain ? filename.utf8.lastIndex(of: UInt8(ascii: ".")) : filename.lastIndex(of: ".")
    guard let dot = last, dot != filename.startIndex else { return (filename[...], "") }
    let suffix = filename[filename.index(after: dot)...]
    guard !suffix.isEmpty, suffix.utf8.count <= extensionBytesMax else { return (filename[...], "") }
    return (filename[..<dot], suffix)
  }
}
