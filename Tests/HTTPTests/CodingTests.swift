import HTTP
import TestKit
import Testing

struct CodingTests {
  /// Feeds `pieces` and returns the body, or nil while it is not over.
  static func decode(_ pieces: [[UInt8]]) throws -> (body: [UInt8], left: Int)? {
    var decoder = ChunkedDecoder()
    var body: [UInt8] = []
    for piece in pieces {
      var start = 0
      while start < piece.count, !decoder.isEnd {
        let step = try decoder.decode(piece.span.extracting(start...))
        body += piece[(start + step.data.lowerBound)..<(start + step.data.upperBound)]
        start += step.consumed
      }
      if decoder.isEnd { return (body, piece.count - start) }
    }
    return nil
  }

  @Test func takesChunksApartWhereverTheyAreCut() throws {
    let coded = Array(
      "5\r\nhello\r\n0010;name=\"v\\\";\";x\t; y = z ;w\r\n, chunked world!\r\n0\r\nX: y\r\nZ: w\r\n\r\nnext".utf8)
    for cut in 0...coded.count {
      let found = try #require(try Self.decode([Array(coded[..<cut]), Array(coded[cut...])]))
      #expect(String(decoding: found.body, as: UTF8.self) == "hello, chunked world!", "cut at \(cut)")
    }
    #expect(try Self.decode([coded])?.left == 4)
    for cut in 0..<(coded.count - 4) { #expect(try Self.decode([Array(coded[..<cut])]) == nil) }
    #expect(try Self.decode(coded.map { [$0] })?.body.count == 21)
  }

  @Test(arguments: [
    "\r\n", "x\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n", "-5\r\n", "0x5\r\n", "5\nhello\r\n", "5\r\nhelloX\r\n",
    "5\r\nhello\n", "5\r\nhello\r\r\n", "5;a\nb\r\n", "5;\u{0}\r\n", "5\r", "fffffffffffffffff\r\n",
    "0\r\nX\nY: z\r\n\r\n", "0\r\n: x\r\n\r\n", "0\r\n x\r\n\r\n", "0\r\nX: y\r\r\n",
    "5;\r\nhello\r\n", "5; \r\nhello\r\n", "5;[x]\r\nhello\r\n", "5;a=\r\nhello\r\n", "5;a=b c\r\nhello\r\n",
    "5;a=\"b\r\nhello\r\n", "5 a\r\nhello\r\n", "5;a \r\nhello\r\n", "5;;a\r\nhello\r\n",
    "0\r\nX\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n",
  ])
  func refusesBrokenChunks(_ coded: String) {
    guard coded != "5\r" else { return }
    #expect(throws: HTTPParseError.self) { try Self.decode([Array((coded + "\r\n").utf8)]) }
  }

  @Test func boundsExtensionsAndTrailers() {
    let long = "5;\(String(repeating: "e", count: 300))\r\nhello\r\n0\r\n\r\n"
    #expect(throws: HTTPParseError.self) { try Self.decode([Array(long.utf8)]) }
    let many = String(repeating: "1;\(String(repeating: "e", count: 200))\r\nx\r\n", count: 50) + "0\r\n\r\n"
    #expect(throws: HTTPParseError.self) { try Self.decode([Array(many.utf8)]) }
    let trailers = "0\r\n" + String(repeating: "X: y\r\n", count: 2000) + "\r\n"
    #expect(throws: HTTPParseError.self) { try Self.decode([Array(trailers.utf8)]) }
  }

  @Test func percentEncodingGoesThereAndBack() {
    let text = "a b/ё?&=%+~\u{1F600}"
    #expect(PercentEncoding.decodeText(PercentEncoding.encode(text).utf8) == text)
    #expect(PercentEncoding.encode("ё!") == "%D1%91%21")
    for broken in ["%", "%1", "%zz", "%f", "%ff"] { #expect(PercentEncoding.decodeText(broken.utf8) == nil) }
  }

  @Test func readsForms() throws {
    let form = try FormURLEncoded.parse(Array("a=1&b=x+y&&c&a=2&d=%26".utf8))
    #expect(
      form["a"] == "1" && form.all("a") == ["1", "2"] && form["b"] == "x y" && form["c"] == "" && form["d"] == "&")
    #expect(form.names == ["a", "b", "c", "a", "d"])
    #expect(form.encoded == "a=1&b=x%20y&c=&a=2&d=%26")
    let many = String(repeating: "a=1&", count: 257)
    #expect(throws: APIError.self) { try QueryItems.parse(many) }
  }

  @Test(arguments: [
    ("report.pdf", "attachment; filename=\"report.pdf\""),
    ("отчёт.pdf", "attachment; filename=\"_____.pdf\"; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf"),
    ("a\"b\\c%.txt", "attachment; filename=\"a_b_c_.txt\"; filename*=UTF-8''a%22b%5Cc%25.txt"),
    ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
  ])
  func writesFileNames(_ name: String, _ expected: String) {
    #expect(ContentDisposition.attachment(filename: name) == expected)
    #expect(ContentDisposition.parse(expected)?.filename == name)
  }

  @Test func readsDispositionsAndMediaTypes() {
    let parsed = ContentDisposition.parse("Form-Data; NAME=\"a;b\"; filename=C:\\x.txt; filename*=utf-8'ru'%d1%8f.txt")
    #expect(parsed?.type == "form-data" && parsed?.name == "a;b" && parsed?.filename == "я.txt")
    #expect(ContentDisposition.parse("form-data; name=\"open") == nil)
    #expect(ContentDisposition.parse("; name=a") == nil)
    let type = MediaType(parsing: "Text/HTML ; Charset=\"utf-8\"")
    #expect(type?.essence == "text/html" && type?.parameters["charset"] == "utf-8")
    #expect(type?.description == "text/html; charset=utf-8")
    for broken in ["", "text", "text/", "/html", "te xt/html", "text/html; a", "text/html; a=\"b"] {
      #expect(MediaType(parsing: broken) == nil)
    }
    let ndjson = MediaType("application", "x-ndjson")
    #expect(ndjson.isNamed(inAccept: "text/html, Application/X-NDJSON;q=0.5"))
    #expect(!ndjson.isNamed(inAccept: "*/*") && !ndjson.isNamed(inAccept: nil))
    #expect(!ndjson.isNamed(inAccept: "application/x-ndjson;q=0"))
  }
}
