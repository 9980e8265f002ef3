/// The name of an HTML element; called like a function it makes one.
struct Tag: Sendable {
  let name: StaticString
  let isVoid: Bool

  init(_ name: StaticString, isVoid: Bool = false) {
    self.name = name
    self.isVoid = isVoid
  }

  func callAsFunction(_ attributes: Attribute..., @HTMLBuilder content: () throws -> HTML) rethrows -> HTML {
    HTML(self, attributes, try content())
  }

  func callAsFunction(_ attributes: Attribute...) -> HTML { HTML(self, attributes, .empty) }

  func callAsFunction(_ text: String, _ attributes: Attribute...) -> HTML { HTML(self, attributes, HTML(text)) }

  static let html = Tag("html")
  static let head = Tag("head")
  static let title = Tag("title")
  static let meta = Tag("meta", isVoid: true)
  static let link = Tag("link", isVoid: true)
  static let script = Tag("script")
  static let body = Tag("body")
  static let header = Tag("header")
  static let nav = Tag("nav")
  static let main = Tag("main")
  static let section = Tag("section")
  static let footer = Tag("footer")
  static let h1 = Tag("h1")
  static let h2 = Tag("h2")
  static let h3 = Tag("h3")
  static let p = Tag("p")
  static let div = Tag("div")
  static let span = Tag("span")
  static let strong = Tag("strong")
  static let small = Tag("small")
  static let code = Tag("code")
  static let a = Tag("a")
  static let pre = Tag("pre")
  static let textarea = Tag("textarea")
  static let ul = Tag("ul")
  static let ol = Tag("ol")
  static let li = Tag("li")
  static let dl = Tag("dl")
  static let dt = Tag("dt")
  static let dd = Tag("dd")
  static let table = Tag("table")
  static let caption = Tag("caption")
  static let thead = Tag("thead")
  static let tbody = Tag("tbody")
  static let tr = Tag("tr")
  static let th = Tag("th")
  static let td = Tag("td")
  static let form = Tag("form")
  static let fieldset = Tag("fieldset")
  static let legend = Tag("legend")
  static let label = Tag("label")
  static let input = Tag("input", isVoid: true)
  static let select = Tag("select")
  static let option = Tag("option")
  static let button = Tag("button")
  static let output = Tag("output")
  static let progress = Tag("progress")
  static let details = Tag("details")
  static let summary = Tag("summary")
  static let time = Tag("time")
  static let br = Tag("br", isVoid: true)
  static let template = Tag("template")
  static let svg = Tag("svg")
  static let use = Tag("use")
  static let rect = Tag("rect")
  static let path = Tag("path")
}

/// One attribute. `value` nil leaves it out; inner nil writes the name alone (`required`).
struct Attribute: Sendable {
  let name: StaticString
  let value: String??

  init(_ name: StaticString, _ value: String) {
    self.name = name
    self.value = .some(.some(value))
  }

  /// A boolean attribute: there or not.
  init(_ name: StaticString, if isPresent: Bool) {
    self.name = name
    self.value = isPresent ? .some(.none) : .none
  }

  /// An attribute that is left out when there is no value.
  init(_ name: StaticString, orNone value: String?) {
    self.name = name
    self.value = value.map { .some($0) } ?? .none
  }

  static func `class`(_ names: String) -> Attribute { Attribute("class", names) }
  static func id(_ id: String) -> Attribute { Attribute("id", id) }
  static func role(_ role: String) -> Attribute { Attribute("role", role) }
  static func type(_ type: String) -> Attribute { Attribute("type", type) }
  static func name(_ name: String) -> Attribute { Attribute("name", name) }
  static func value(_ value: String) -> Attribute { Attribute("value", value) }
  static func `for`(_ id: String) -> Attribute { Attribute("for", id) }
  static func href(_ link: Link) -> Attribute { Attribute("href", link.text) }
  static func src(_ link: Link) -> Attribute { Attribute("src", link.text) }
  static func action(_ link: Link) -> Attribute { Attribute("action", link.text) }
  static func label(_ text: String) -> Attribute { Attribute("aria-label", text) }
  static func describedBy(_ id: String) -> Attribute { Attribute("aria-describedby", id) }
  static let hidden = Attribute("aria-hidden", "true")
  static let required = Attribute("required", if: true)
  static let post = Attribute("method", "post")
  static let get = Attribute("method", "get")
}
