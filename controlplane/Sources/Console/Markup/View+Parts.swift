internal import Core

/// How a badge, an alert or a bar is meant. Colour is never the only sign: there is always a word or an icon beside it.
enum Tone: String, Sendable {
  case good = "success"
  case warning
  case bad = "danger"
  case neutral = "secondary"
  case info
}

/// The parts pages are made of.
extension View {
  func header(_ title: String, lead: String? = nil, @HTMLBuilder actions: () -> HTML = { .empty }) -> HTML {
    let buttons = actions()
    return Tag.div(.class("page-header")) {
      Tag.div(.class("page-title")) {
        Tag.h1(title)
        if let lead { Tag.p(lead, .class("lead-line")) }
      }
      if !buttons.bytes.isEmpty { Tag.div(.class("page-actions")) { buttons } }
    }
  }

  func card(
    _ title: String? = nil, icon name: Icon? = nil, names: String = "", @HTMLBuilder content: () -> HTML
  ) -> HTML {
    Tag.section(.class("card \(names)")) {
      if let title {
        Tag.h2(.class("card-heading")) {
          name.map { icon($0) }
          Tag.span(title)
        }
      }
      Tag.div(.class("card-inside"), content: content)
    }
  }

  func badge(_ text: String, _ tone: Tone) -> HTML { Tag.span(text, .class("pill pill-\(tone.rawValue)")) }

  func alert(_ tone: Tone, title: String? = nil, _ text: String) -> HTML {
    Tag.div(.class("notice notice-\(tone.rawValue)"), .role(tone == .bad || tone == .warning ? "alert" : "status")) {
      icon(tone == .good ? .success : tone == .info || tone == .neutral ? .info : .warning)
      Tag.div {
        if let title { Tag.strong(title) }
        Tag.p(text)
      }
    }
  }

  func failure(_ failure: Failure?) -> HTML {
    guard let failure else { return .empty }
    return alert(.bad, title: failure.title(in: language), failure.message(in: language))
  }

  /// What is shown where a list would be.
  func empty(_ name: Icon, _ title: String, _ text: String, @HTMLBuilder action: () -> HTML = { .empty }) -> HTML {
    Tag.div(.class("empty-state")) {
      icon(name)
      Tag.p(title, .class("empty-title"))
      Tag.p(text)
      action()
    }
  }

  func time(_ time: Timestamp?, orElse missing: String = "—") -> HTML {
    guard let time else { return HTML(missing) }
    return Tag.time(
      format.distance(time, from: now), Attribute("datetime", time.description), Attribute("title", format.time(time)))
  }

  func fullTime(_ time: Timestamp?) -> HTML {
    guard let time else { return HTML("—") }
    return Tag.time(format.time(time), Attribute("datetime", time.description))
  }

  /// A share as a bar. It carries its meaning as text for those who do not see it.
  func bar(_ part: Int, of whole: Int, label: String) -> HTML {
    let percent = format.percent(part, of: whole)
    let tone: Tone = percent >= 90 ? .bad : percent >= 75 ? .warning : .info
    return Tag.svg(
      .class("bar"), Attribute("viewBox", "0 0 100 6"), Attribute("preserveAspectRatio", "none"), .role("img"),
      .label("\(label): \(format.percentText(part, of: whole))")
    ) {
      Tag.rect(.class("bar-track"), Attribute("width", "100"), Attribute("height", "6"))
      Tag.rect(.class("bar-\(tone.rawValue)"), Attribute("width", String(percent)), Attribute("height", "6"))
    }
  }

  func linkButton(_ text: String, _ link: Link, icon name: Icon? = nil, style: String = "primary") -> HTML {
    Tag.a(.class("btn btn-\(style)"), .href(link)) {
      name.map { icon($0) }
      Tag.span(text)
    }
  }

  func submit(_ text: String, icon name: Icon? = nil, style: String = "primary") -> HTML {
    Tag.button(.class("btn btn-\(style)"), .type("submit")) {
      name.map { icon($0) }
      Tag.span(text)
    }
  }

  /// A form of one button that writes.
  func action(_ text: String, to link: Link, icon name: Icon? = nil, style: String = "outline-secondary btn-sm") -> HTML
  {
    Tag.form(.post, .action(link), .class("inline-form")) {
      csrfField
      submit(text, icon: name, style: style)
    }
  }

  /// Label, control and help. `control` gets the ids to wire them together.
  func field(
    _ label: String, id: String, help: String? = nil, problem: String? = nil,
    control: (_ id: String, _ help: Attribute) -> HTML
  ) -> HTML {
    let told = [problem == nil ? nil : "\(id)-problem", help == nil ? nil : "\(id)-help"].compactMap { $0 }
    return Tag.div(.class("field")) {
      Tag.label(label, .class("form-label"), .for(id))
      control(id, Attribute("aria-describedby", orNone: told.isEmpty ? nil : told.joined(separator: " ")))
      if let problem { Tag.div(problem, .class("invalid-feedback d-block"), .id("\(id)-problem")) }
      if let help { Tag.div(help, .class("form-text"), .id("\(id)-help")) }
    }
  }

  /// A labelled line of text. `more` adds attributes such as `required`.
  func input(
    _ label: String, name: String, value: String = "", type: String = "text", help: String? = nil,
    failure: Failure? = nil, more: Attribute...
  ) -> HTML {
    let problem = problem(failure, at: name)
    return field(label, id: "f-\(name)", help: help, problem: problem) { id, help in
      HTML(
        .input,
        [.id(id), .type(type), .name(name), Attribute("value", orNone: value.isEmpty ? nil : value), help]
          + Self.control(problem) + more, .empty)
    }
  }

  /// The same for text of several lines.
  func textArea(
    _ label: String, name: String, value: String = "", help: String? = nil, failure: Failure? = nil,
    more: Attribute...
  ) -> HTML {
    let problem = problem(failure, at: name)
    return field(label, id: "f-\(name)", help: help, problem: problem) { id, help in
      HTML(
        .textarea,
        [.id(id), .name(name), Attribute("rows", "6"), Attribute("spellcheck", "false"), help]
          + Self.control(problem) + more, HTML(value))
    }
  }

  /// Some of several. Their names are the prefix and the value; `field` is what a failure calls them.
  func checkboxes(
    _ label: String, field: String, prefix: String, options: [(value: String, text: String)], selected: Set<String>,
    failure: Failure?
  ) -> HTML {
    let problem = problem(failure, at: field)
    return Tag.fieldset(
      .class("field"), .id("f-\(field)"),
      Attribute("aria-describedby", orNone: problem == nil ? nil : "f-\(field)-problem")
    ) {
      Tag.legend(label, .class("form-label"))
      for option in options {
        let id = "f-\(prefix)-\(option.value)"
        Tag.div(.class("form-check form-check-inline")) {
          Tag.input(
            .class("form-check-input"), .type("checkbox"), .name("\(prefix)-\(option.value)"), .id(id), .value("yes"),
            Attribute("checked", if: selected.contains(option.value)))
          Tag.label(option.text, .class("form-check-label user-text"), .for(id))
        }
      }
      if let problem { Tag.div(problem, .class("invalid-feedback d-block"), .id("f-\(field)-problem")) }
    }
  }

  private func problem(_ failure: Failure?, at field: String) -> String? {
    failure?.field == field ? failure?.message(in: language) : nil
  }

  private static func control(_ problem: String?) -> [Attribute] {
    problem == nil
      ? [.class("form-control")] : [.class("form-control is-invalid"), Attribute("aria-invalid", "true")]
  }

  func choice(
    _ label: String, name: String, options: [(value: String, text: String)], selected: String, help: String? = nil
  ) -> HTML {
    field(label, id: "f-\(name)", help: help) { id, help in
      Tag.select(.class("form-select"), .id(id), .name(name), help) {
        for option in options {
          Tag.option(option.text, .value(option.value), Attribute("selected", if: option.value == selected))
        }
      }
    }
  }

  /// A table that turns into a list of cards on a phone: each cell carries its column's title. A `<th>` per row names
  /// it.
  func table(_ caption: String, columns: [String], rows: [[HTML]]) -> HTML {
    Tag.table(.class("data-table")) {
      Tag.caption(caption, .class("visually-hidden"))
      Tag.thead { Tag.tr { for column in columns { Tag.th(column, Attribute("scope", "col")) } } }
      Tag.tbody {
        for row in rows {
          Tag.tr {
            for (index, cell) in row.enumerated() {
              if index == 0 {
                Tag.th(Attribute("scope", "row"), Attribute("data-label", columns[index])) { cell }
              } else {
                Tag.td(Attribute("data-label", columns[index])) { Tag.div { cell } }
              }
            }
          }
        }
      }
    }
  }

  /// Names and values.
  func facts(_ rows: [(name: String, value: HTML)]) -> HTML {
    Tag.dl(.class("facts")) {
      for row in rows {
        Tag.div {
          Tag.dt(row.name)
          Tag.dd { row.value }
        }
      }
    }
  }

  /// Page, file and other names of any length and script: wraps anywhere, isolated in direction.
  func name(_ text: String) -> HTML { Tag.span(text, .class("user-text"), Attribute("dir", "auto")) }
}
