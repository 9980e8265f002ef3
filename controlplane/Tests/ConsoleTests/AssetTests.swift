internal import Core
internal import HTTP
internal import Testing

@testable import Console

@Suite struct AssetTests {
  @Test func assetsAreServedForEverUnderTheirHash() async throws {
    let browser = try Browser()
    for asset in Asset.allCases {
      let answer = try await browser.get(browser.console.assets.links[asset].text)
      #expect(answer.status == 200 && answer.text == "content of /assets/\(asset.rawValue)")
      #expect(answer.headers["Cache-Control"] == "public, max-age=31536000, immutable")
      #expect(answer.headers["Content-Type"] == asset.mediaType)
      let packed = try await browser.get(
        browser.console.assets.links[asset].text, headers: ["Accept-Encoding": "br, gzip"])
      #expect(packed.headers["Content-Encoding"] == "gzip" && packed.text.hasSuffix(".gz"))
    }
    #expect(try await browser.get("/assets/0000000000000000/console.css").status == 404)
    #expect(try await browser.get("/assets/0000000000000000/secrets.txt").status == 404)
  }

  @Test func gzipIsNotForcedOnAnyone() async throws {
    let browser = try Browser()
    let link = browser.console.assets.links[.style].text
    #expect(try await browser.get(link, headers: ["Accept-Encoding": "gzip;q=0"]).headers["Content-Encoding"] == nil)
    #expect(try await browser.get(link).headers["Content-Encoding"] == nil)
  }

  @Test func aMissingFileIsNamedWithTheWayToGetIt() {
    #expect {
      try AssetStore(folder: "/nowhere") { _ in nil }
    } throws: { error in
      String(describing: error).contains("/nowhere") && String(describing: error).contains("tools/console-assets")
    }
  }
}

@Suite struct EventTests {
  @Test func everyLineOfAnEventIsAField() {
    let bytes = Console.event("fleet", Array("a\n\nb".utf8))
    #expect(String(decoding: bytes, as: UTF8.self) == "event: fleet\ndata: a\ndata: \ndata: b\n\n")
  }
}
