internal import Core
internal import JWT

/// What every page needs to be rendered: who looks, in which language and theme, and when.
struct View: Sendable {
  let language: Language
  let theme: Theme
  /// Nil on the login page and on errors before signing in.
  let session: Session?
  let assets: AssetLinks
  /// The request's path, to mark the current place in the navigation.
  let path: String
  let now: Timestamp

  var format: Format { Format(language: language) }
  var canWrite: Bool { session?.role == .admin }

  /// The text in the reader's language; `{0}`, `{1}` stand for the values.
  func t(_ key: Text, _ values: String...) -> String { key.in(language, values) }

  /// The whole document.
  func page(_ title: String, @HTMLBuilder content: () throws -> HTML) rethrows -> HTML {
    let inside = try content()
    return HTML {
      HTML(trusted: "<!doctype html>\n")
      Tag.html(Attribute("lang", language.rawValue), Attribute("data-bs-theme", theme.bootstrapName)) {
        head(title)
        Tag.body(Attribute("class", session == nil ? "signed-out" : "signed-in")) {
          Tag.a(t(.skipToContent), .class("skip-link"), .href("#content"))
          if session != nil { navigation }
          Tag.main(.id("content"), Attribute("tabindex", "-1")) { inside }
        }
      }
    }
  }

  private func head(_ title: String) -> HTML {
    Tag.head {
      Tag.meta(Attribute("charset", "utf-8"))
      Tag.meta(.name("viewport"), Attribute("content", "width=device-width, initial-scale=1"))
      Tag.meta(.name("color-scheme"), Attribute("content", theme == .device ? "light dark" : theme.rawValue))
      Tag.meta(
        .name("htmx-config"),
        Attribute("content", #"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true}"#))
      Tag.title("\(title) · ArtStore")
      Tag.link(Attribute("rel", "icon"), .href(assets[.favicon]), .type("image/svg+xml"))
      Tag.link(Attribute("rel", "stylesheet"), .href(assets[.bootstrap]))
      Tag.link(Attribute("rel", "stylesheet"), .href(assets[.style]))
      if theme == .device { Tag.script(.src(assets[.theme])) }
      Tag.script(.src(assets[.htmx]), Attribute("defer", if: true))
      Tag.script(.src(assets[.serverEvents]), Attribute("defer", if: true))
      Tag.script(.src(assets[.behaviour]), Attribute("defer", if: true))
    }
  }

  func icon(_ icon: Icon, _ names: String = "") -> HTML {
    Tag.svg(.class("icon \(names)"), .hidden, Attribute("focusable", "false")) {
      Tag.use(.href(assets.icon(icon)))
    }
  }
}

extension Theme {
  /// Without JavaScript the device's wish is unknown to Bootstrap: light, until theme.js says otherwise.
  var bootstrapName: String { self == .dark ? "dark" : "light" }
}

extension View {
  struct Place {
    let icon: Icon
    let text: Text
    let link: Link
  }

  private static let places: [Place] = [
    Place(icon: .dashboard, text: .navDashboard, link: "/"),
    Place(icon: .files, text: .navFiles, link: "/files"),
    Place(icon: .storage, text: .navStorage, link: "/storage-elements"),
    Place(icon: .access, text: .navAccess, link: "/access"),
    Place(icon: .audit, text: .navAudit, link: "/audit"),
    Place(icon: .settings, text: .navSettings, link: "/settings"),
  ]

  /// Side bar on wide screens; on a phone a bar whose menu is a `<details>`, so that it opens without JavaScript.
  private var navigation: HTML {
    Tag.header(.class("sidebar")) {
      Tag.div(.class("sidebar-top")) {
        brand
        Tag.details(.class("menu-small")) {
          Tag.summary {
            icon(.menu)
            Tag.span(t(.menu), .class("visually-hidden"))
          }
          Tag.nav(.label(t(.menu))) { places }
          account
        }
      }
      Tag.nav(.class("menu-wide"), .label(t(.mainNavigation))) { places }
      Tag.div(.class("menu-wide account-wide")) { account }
    }
  }

  var brand: HTML {
    Tag.a(.class("brand"), .href("/")) {
      Tag.span(.class("brand-mark")) { icon(.inbox) }
      Tag.span("ArtStore")
    }
  }

  private var places: HTML {
    Tag.ul(.class("nav-list")) {
      for place in Self.places {
        Tag.li {
          Tag.a(
            .class("nav-item-link"), .href(place.link),
            Attribute("aria-current", orNone: isCurrent(place.link) ? "page" : nil)
          ) {
            icon(place.icon)
            Tag.span(t(place.text))
          }
        }
      }
    }
  }

  private func isCurrent(_ link: Link) -> Bool {
    link.text == "/" ? path == "/" : path == link.text || path.hasPrefix(link.text + "/")
  }

  private var account: HTML {
    Tag.div(.class("account")) {
      Tag.div(.class("account-name")) {
        icon(.person)
        Tag.span(session?.login ?? "", .class("text-truncate"))
        if session?.role == .readonly { badge(t(.roleReadonly), .neutral) }
      }
      Tag.form(.post, .action("/logout")) {
        csrfField
        Tag.button(.class("btn btn-sm btn-outline-secondary w-100"), .type("submit")) {
          icon(.signOut)
          Tag.span(t(.signOut))
        }
      }
    }
  }

  /// Goes into every form that writes.
  var csrfField: HTML {
    Tag.input(.type("hidden"), .name(CSRF.fieldName), .value(session?.csrfToken ?? ""))
  }
}
