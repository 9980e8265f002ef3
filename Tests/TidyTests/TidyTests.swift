import Testing

/// The repository keeps the rules of docs/HACKING.md.
@Suite struct TidyTests {
  @Test(arguments: [
    NamedRule("imports follow the arrows", Rules.imports),
    NamedRule("files and lines are short", Rules.sizes),
    NamedRule("functions fit a screen", Rules.functionLengths),
    NamedRule("risky constructs give their reason", Rules.constructs),
    NamedRule("nothing is left for later", Rules.leftovers),
    NamedRule("libraries do not print", Rules.printing),
  ])
  func everySwiftFileKeeps(_ rule: NamedRule) throws {
    let files = try SourceTree.files()
    #expect(files.count > 50, "the scan found too few files to mean anything")
    let found = files.flatMap(rule.check)
    #expect(found.isEmpty, "\(report(found))")
  }

  @Test func everyCFileIsShort() throws {
    let found = try SourceTree.files(withExtensions: ["c", "h"]).flatMap(Rules.sizes)
    #expect(found.isEmpty, "\(report(found))")
  }

  @Test func moduleNamesSayWhatIsInside() throws {
    #expect(Rules.moduleNames(try SourceTree.moduleFolders()).isEmpty)
  }

  @Test func everyModuleHasItsPlace() throws {
    let known = Set(Arrows.places.keys).union(Arrows.cModules.keys)
    let unknown = try SourceTree.moduleFolders().filter { !known.contains($0) }
    #expect(unknown.isEmpty, "add to Arrows.swift: \(unknown)")
  }

  private func report(_ found: [Violation]) -> String {
    found.map(\.description).joined(separator: "\n")
  }
}

struct NamedRule: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let check: @Sendable (SourceFile) -> [Violation]

  init(_ name: String, _ check: @escaping @Sendable (SourceFile) -> [Violation]) {
    self.testDescription = name
    self.check = check
  }
}
