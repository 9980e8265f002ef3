internal import Catalogue
internal import Core
internal import HTTP
internal import HTTPClient

extension SyncPage {
  /// Reads a page to its end, holding one line beyond what is kept.
  static func read(_ response: ClientResponse, linesMax: Int) async throws -> SyncPage {
    var page = SyncPage(linesMax: linesMax)
    var splitter = LineSplitter(lineBytesMax: lineBytesMax)
    while let chunk = try await response.body.next() {
      try splitter.feed(chunk[...], into: &page)
    }
    try splitter.finish(into: &page)
    guard page.closing != nil else { throw SyncPageError.noClosing }
    return page
  }
}

/// Cuts a stream of bytes into lines, bounded.
struct LineSplitter {
  let lineBytesMax: Int
  private var pending: [UInt8] = []
  /// Skipping the rest of a line that is too long.
  private var isSkipping = false

  init(lineBytesMax: Int) { self.lineBytesMax = lineBytesMax }

  mutating func feed(_ chunk: ArraySlice<UInt8>, into page: inout SyncPage) throws(SyncPageError) {
    var rest = chunk
    while let end = rest.firstIndex(of: 0x0A) {
      let line = rest[rest.startIndex..<end]
      rest = rest[(end + 1)...]
      if isSkipping {
        isSkipping = false
        try page.rejectLongLine()
      } else if pending.isEmpty {
        if line.count > lineBytesMax { try page.rejectLongLine() } else { try page.take(line) }
      } else {
        pending += line
        let whole = pending
        pending = []
        if whole.count > lineBytesMax { try page.rejectLongLine() } else { try page.take(whole[...]) }
      }
    }
    guard !isSkipping else { return }
    if pending.count + rest.count > lineBytesMax {
      isSkipping = true
      pending = []
    } else {
      pending += rest
    }
  }

  /// What stands behind the last line end was cut off, unless it is a whole line that the sender did not end.
  mutating func finish(into page: inout SyncPage) throws(SyncPageError) {
    if isSkipping { return try page.rejectLongLine() }
    if !pending.isEmpty { try page.take(pending[...]) }
  }
}
