internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer

/// The files that pages refer to. `tools/console-assets` gathers them in one folder.
enum Asset: String, CaseIterable, Sendable {
  case bootstrap = "bootstrap.min.css"
  case style = "console.css"
  case theme = "theme.js"
  case behaviour = "console.js"
  case htmx = "htmx.min.js"
  case serverEvents = "htmx-sse.min.js"
  case icons = "icons.svg"
  case favicon = "favicon.svg"

  var mediaType: String {
    if rawValue.hasSuffix(".css") { return "text/css; charset=utf-8" }
    return rawValue.hasSuffix(".js") ? "text/javascript; charset=utf-8" : "image/svg+xml"
  }
}

/// Why the console cannot start.
public struct AssetError: Error, CustomStringConvertible {
  public let description: String
}

/// The addresses of the assets: each holds a part of the content's SHA-256, so that it may be kept for ever.
struct AssetLinks: Sendable {
  fileprivate let tags: [Asset: String]

  subscript(asset: Asset) -> Link { "/assets/\(tags[asset] ?? "none")/\(asset.rawValue)" }

  func icon(_ icon: Icon) -> Link {
    // A fragment is no part of the path: it must not be encoded away.
    Link(symbol: icon, of: self[.icons])
  }
}

extension Link {
  fileprivate init(symbol: Icon, of sprite: Link) { self.init(joining: sprite, "#", symbol.rawValue) }
}

/// Holds the assets in memory (half a megabyte) and serves them.
struct AssetStore: Sendable {
  private struct Entry: Sendable {
    let plain: [UInt8]
    let compressed: [UInt8]?
  }

  let links: AssetLinks
  private let entries: [Asset: Entry]

  /// `read` gives the content of a file of the folder, nil when there is none.
  init(folder: String, read: (_ path: String) -> [UInt8]?) throws(AssetError) {
    var entries: [Asset: Entry] = [:]
    var tags: [Asset: String] = [:]
    for asset in Asset.allCases {
      let path = "\(folder)/\(asset.rawValue)"
      guard let bytes = read(path), !bytes.isEmpty else {
        throw AssetError(
          description: "there is no \(asset.rawValue) in \(folder); "
            + "tools/console-assets gathers the console's files there")
      }
      entries[asset] = Entry(plain: bytes, compressed: read(path + ".gz"))
      tags[asset] = String(SHA256.digest(bytes).description.prefix(16))
    }
    self.entries = entries
    links = AssetLinks(tags: tags)
  }

  /// `GET /assets/{tag}/{name}`.
  func respond(to request: Request) throws(APIError) -> Response {
    guard let asset = Asset(rawValue: request.parameter("name")), let entry = entries[asset],
      request.parameter("tag") == links.tags[asset]
    else { throw APIError(.notFound, "there is no such asset; reload the page") }
    var response = Response(
      .ok,
      headers: [
        "Content-Type": asset.mediaType, "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "same-origin",
      ],
      body: .bytes(entry.plain))
    if let compressed = entry.compressed, Self.takesGzip(request.head.header("Accept-Encoding")) {
      response.headers["Content-Encoding"] = "gzip"
      response.body = .bytes(compressed)
    }
    return response
  }

  /// RFC 9110 §12.5.3; a weight of zero is a refusal.
  private static func takesGzip(_ accepted: String?) -> Bool {
    (accepted ?? "").split(separator: ",").contains { coding in
      let parts = coding.split(separator: ";").map { String($0).trimmed }
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 }
      return parts.first == "gzip" && (weight ?? 1) > 0
    }
  }
}
