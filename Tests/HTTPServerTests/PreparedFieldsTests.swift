import Core
import HTTP
import Testing

@testable import HTTPServer

struct PreparedFieldsTests {
  private static func head(_ headers: HeaderFields) -> String {
    var writer = ResponseHeadWriter()
    ResponseOutline(
      status: .ok, headers: headers, framing: .length(3), keepsConnection: true, requestID: "r", isOldClient: false
    ).write(to: &writer, at: Timestamp(seconds: 0))
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func goOutAsTheOthersDo() {
    let plain: HeaderFields = [
      "ETag": "\"a\"", "Content-Length": "9", "X": "a\r\nB: c", "Not a name": "x", "Content-Type": "text/plain",
    ]
    var (prepared, later) = (plain.prepared(), plain)
    #expect(Self.head(prepared) == Self.head(plain))
    #expect(!Self.head(prepared).contains("\r\nB: c"))
    prepared.append("Content-Range", "bytes 0-2/9")
    later.append("Content-Range", "bytes 0-2/9")
    #expect(Self.head(prepared) == Self.head(later))
    #expect(prepared["etag"] == "\"a\"" && prepared["content-range"] == "bytes 0-2/9")
  }

  @Test func canBeReplaced() {
    var fields = (["A": "1", "B": "2"] as HeaderFields).prepared()
    fields["a"] = "3"
    fields["b"] = nil
    #expect(fields["A"] == "3" && fields["B"] == nil)
    #expect(Self.head(fields).contains("a: 3\r\n") && !Self.head(fields).contains("A: 1"))
  }
}
