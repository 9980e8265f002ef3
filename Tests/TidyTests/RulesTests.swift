import Testing

/// Each rule can fail: a fixture that breaks it is found, a fixture that keeps it is not.
@Suite struct RulesTests {
  private func library(_ text: String, _ module: String = "Core") -> SourceFile {
    SourceFile(path: "Sources/\(module)/Fixture.swift", text: text)
  }

  @Test(arguments: [
    ("Core", "internal import Crypto", "does not lie below"),
    ("Crypto", "import HTTP", "does not lie below"),
    ("HTTP", "internal import COpenSSL", "only Crypto, TLS may import"),
    ("Crypto", "public import COpenSSL", "must be an internal import"),
    ("Core", "import Foundation", "FoundationEssentials"),
    ("Core", "import NIOCore", "no module of ours"),
    ("Service", "import TestKit", "TestKit is for tests"),
    ("Core", "import Testing", "for tests"),
    ("Nowhere", "import Core", "has no place"),
  ])
  func forbiddenImportIsFound(module: String, line: String, reason: String) throws {
    let found = Rules.imports(library(line, module))
    #expect(found.count == 1)
    #expect(try #require(found.first).reason.contains(reason))
  }

  @Test(arguments: [
    ("Crypto", "internal import COpenSSL"), ("TLS", "public import struct Crypto.Certificate"),
    ("HTTPServer", "@preconcurrency import Reactor"), ("Core", "import Glibc"), ("Core", "// import Foundation"),
    ("Core", "let text = \"import Foundation\""),
  ])
  func allowedImportIsNot(module: String, line: String) {
    #expect(Rules.imports(library(line, module)).isEmpty)
  }

  @Test func packagesDoNotMeet() {
    let appliance = SourceFile(path: "appliance/Sources/Store/Index.swift", text: "internal import Postgres")
    #expect(Rules.imports(appliance).count == 1)
    let plane = SourceFile(path: "controlplane/Sources/Catalogue/Rows.swift", text: "internal import Store")
    #expect(Rules.imports(plane).count == 1)
    let test = SourceFile(path: "appliance/Tests/StoreTests/StoreTests.swift", text: "@testable import Fleet")
    #expect(Rules.imports(test).count == 1)
    let sibling = SourceFile(path: "appliance/Tests/StoreTests/StoreTests.swift", text: "@testable import Journal")
    #expect(Rules.imports(sibling).isEmpty)
  }

  @Test func longFileAndLineAreFound() {
    let line = String(repeating: "a", count: 121)
    #expect(Rules.sizes(library(line)).count == 1)
    #expect(Rules.sizes(library(String(repeating: "a", count: 120))).isEmpty)
    #expect(Rules.sizes(library(String(repeating: "x\n", count: 401))).count == 1)
    #expect(Rules.sizes(library(String(repeating: "x\n", count: 400))).isEmpty)
  }

  @Test func longFunctionIsFound() {
    func function(lines: Int) -> String {
      "struct S {\n  func f(\n    _ g: () -> Void = { }\n  ) async throws {\n"
        + String(repeating: "    if true { x() }\n", count: lines - 4) + "  }\n}\n"
    }
    #expect(Rules.functionLengths(library(function(lines: 71))).map(\.line) == [2])
    #expect(Rules.functionLengths(library(function(lines: 70))).isEmpty)
  }

  @Test func requirementsAndCallsAreNoFunctions() {
    let text = """
      protocol P {
        func a()
        func b() async throws -> Int
        init(x: Int)
      }
      struct T: P { func a() { T.init(x: 1) } }
      """
    #expect(FunctionScanner.functions(in: SourceLine.split(text)) == [.init(firstLine: 6, lastLine: 6)])
  }

  @Test(arguments: ["try?", "try!", "as!", "@unchecked Sendable", "nonisolated(unsafe)"])
  func riskyConstructNeedsItsReason(construct: String) {
    #expect(Rules.constructs(library("let x = \(construct) y")).count == 1)
    #expect(Rules.constructs(library("let x = \(construct) y // why")).count == 1)
    #expect(Rules.constructs(library("let x = \(construct) y  // holds: checked just above")).isEmpty)
    #expect(Rules.constructs(library("// \(construct)")).isEmpty)
    #expect(Rules.constructs(library("let s = \"\(construct)\"")).isEmpty)
  }

  @Test func partsOfWordsAreNoConstructs() {
    #expect(Rules.constructs(library("func find() -> Entry? { nil }")).isEmpty)
    #expect(Rules.leftovers(library("// codes look like XXXXX-XXXXX")).isEmpty)
  }

  @Test func detachedTasksAreFound() {
    #expect(Rules.constructs(library("Task.detached { }  // because I may do so")).count == 1)
  }

  @Test func leftoversAreFound() {
    #expect(Rules.leftovers(library("// TO" + "DO: later")).count == 1)
    #expect(Rules.leftovers(library("let x = 1 // FIX" + "ME")).count == 1)
    #expect(Rules.leftovers(library("// done")).isEmpty)
  }

  @Test func printingIsFound() {
    #expect(Rules.printing(library("  print(x)")).count == 1)
    #expect(Rules.printing(library("  fingerprint(x); printer.print(x)")).isEmpty)
    #expect(Rules.printing(library("print(1)", "artstore-appliance")).isEmpty)
  }

  @Test func emptyNamesAreFound() {
    #expect(Rules.moduleNames(["StringUtils", "Core", "FileManagerKit", "Common"]).count == 3)
  }

  @Test func multiLineStringsAndBlockCommentsAreNotCode() {
    let text = "let a = \"\"\"\n  try! x as! y\n  \"\"\"\n/* try! /* x */ as! */ let b = #\"try! \\\"#\nlet c = 1"
    let lines = SourceLine.split(text)
    #expect(lines.map(\.code).joined(separator: "|") == "let a = \"||\"| let b = \"\"|let c = 1")
  }
}
