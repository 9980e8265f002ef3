internal import Catalogue
internal import Core
internal import HTTP
internal import HTTPClient

/// Reads a page from the socket and hands its rows on as COPY's text, holding little more than one chunk.
struct SyncPageReader {
  private(set) var page: SyncPage
  private var splitter = LineSplitter(lineBytesMax: SyncPage.lineBytesMax)
  private var bytes = 0
  /// A body that has ended must not be asked again.
  private var isEnded = false
  private let body: ClientResponseBody
  private let pace: SyncPace

  init(_ response: ClientResponse, linesMax: Int, scope: SyncPage.Scope, pace: SyncPace) {
    page = SyncPage(linesMax: linesMax, scope: scope)
    body = response.body
    self.pace = pace
  }

  /// Text for `FileCatalogue.stage`; nil at the end. Throws when the page was cut or cannot be believed.
  mutating func next() async throws -> [UInt8]? {
    guard !isEnded else { return nil }
    while page.textCount < 32_768 {
      guard let chunk = try await body.next() else {
        isEnded = true
        try splitter.finish(into: &page)
        guard page.closing != nil else { throw SyncPageError.noClosing }
        return page.textCount > 0 ? page.takeText() : nil
      }
      bytes += chunk.count
      guard bytes <= SyncPage.bytesMax else { throw SyncPageError.tooLong }
      try splitter.feed(chunk[...], into: &page)
      try await pace.passed(chunk.count)
    }
    return page.takeText()
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
