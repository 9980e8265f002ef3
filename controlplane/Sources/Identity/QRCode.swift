internal import CQREncode
internal import Glibc

/// Text as a QR code (ISO/IEC 18004), made by libqrencode.
public struct QRCode: Sendable {
  /// Modules in a row, with the light ones around the code that readers need.
  public let size: Int
  /// The dark modules as an SVG path, one unit a module.
  public let path: String

  private static let margin = 4

  /// Throws when the text is too long for a code (about 2300 bytes).
  init(_ text: String) throws {
    guard let code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M) else {
      throw IdentityError.qrCode(code: errno)
    }
    defer { QRcode_free(code) }
    let width = Int(code.pointee.width)
    let modules = UnsafeBufferPointer(start: code.pointee.data, count: width * width)
    size = width + 2 * Self.margin
    path = Self.path(modules, width: width)
  }

  /// An SVG document to be scaled at will: dark on a light ground, whatever the theme of the page; readers want it so.
  var svg: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size) \(size)" shape-rendering="crispEdges">\
    <path fill="#fff" d="M0 0h\(size)v\(size)H0z"/><path fill="#000" d="\(path)"/></svg>
    """
  }

  /// Every run of dark modules in a row as a rectangle.
  private static func path(_ modules: UnsafeBufferPointer<UInt8>, width: Int) -> String {
    var path = ""
    for row in 0..<width {
      var column = 0
      while column < width {
        // Bit 0 of a module is its colour; the others say what it is for.
        let start = column
        while column < width, modules[row * width + column] & 1 == 1 { column += 1 }
        if column > start {
          path += "M\(start + margin) \(row + margin)h\(column - start)v1h-\(column - start)z"
        } else {
          column += 1
        }
      }
    }
    return path
  }
}
