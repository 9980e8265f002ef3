internal import Core
internal import HTTP

extension View {
  /// `next` is where to go afterwards; `token` proves that the form came from this page.
  func loginPage(token: String, next: String?, login: String = "", failure: Failure? = nil) -> HTML {
    page(t(.signIn)) {
      Tag.div(.class("sign-in")) {
        Tag.div(.class("sign-in-brand")) { brand }
        Tag.section(.class("card")) {
          Tag.div(.class("card-inside")) {
            Tag.h1(t(.signIn), .class("sign-in-title"))
            self.failure(failure)
            Tag.form(.post, .action("/login")) {
              Tag.input(.type("hidden"), .name(CSRF.fieldName), .value(token))
              if let next { Tag.input(.type("hidden"), .name("next"), .value(next)) }
              input(
                t(.login), name: "login", value: login,
                more: .required, Attribute("autocomplete", "username"), Attribute("autocapitalize", "none"),
                Attribute("spellcheck", "false"), Attribute("autofocus", if: login.isEmpty))
              input(
                t(.password), name: "password", type: "password",
                more: .required, Attribute("autocomplete", "current-password"),
                Attribute("autofocus", if: !login.isEmpty))
              input(
                t(.oneTimeCode), name: "code", help: t(.oneTimeCodeHelp),
                more: Attribute("autocomplete", "one-time-code"), Attribute("inputmode", "numeric"),
                Attribute("maxlength", "6"), Attribute("pattern", "[0-9]{6}"))
              Tag.button(t(.signInButton), .class("btn btn-primary w-100"), .type("submit"))
            }
          }
        }
        languageLinks
      }
    }
  }

  /// Each language under its own name; works before anyone has signed in.
  private var languageLinks: HTML {
    Tag.nav(.class("language-links"), .label(t(.language))) {
      for other in Language.allCases {
        Tag.a(
          other.ownName, .href(Link("/login").query([("language", other.rawValue)])),
          Attribute("lang", other.rawValue), Attribute("hreflang", other.rawValue),
          Attribute("aria-current", orNone: other == language ? "true" : nil))
      }
    }
  }

  /// The first thing after a one-time password.
  func newPasswordPage(failure: Failure? = nil) -> HTML {
    page(t(.newPasswordTitle)) {
      Tag.div(.class("sign-in")) {
        Tag.section(.class("card")) {
          Tag.div(.class("card-inside")) {
            Tag.h1(t(.newPasswordTitle), .class("sign-in-title"))
            Tag.p(t(.newPasswordLead))
            self.failure(failure)
            passwordForm(to: "/settings/password", currentLabel: t(.oneTimePassword))
          }
        }
      }
    }
  }

  func passwordForm(to link: Link, currentLabel: String) -> HTML {
    Tag.form(.post, .action(link)) {
      csrfField
      // Tells password managers whose password changes.
      Tag.input(
        .type("text"), .name("username"), .value(session?.login ?? ""), Attribute("autocomplete", "username"),
        Attribute("hidden", if: true))
      input(
        currentLabel, name: "current", type: "password",
        more: .required, Attribute("autocomplete", "current-password"))
      input(
        t(.newPassword), name: "new", type: "password", help: t(.newPasswordHelp),
        more: .required, Attribute("minlength", "12"), Attribute("autocomplete", "new-password"))
      input(
        t(.repeatPassword), name: "again", type: "password",
        more: .required, Attribute("minlength", "12"), Attribute("autocomplete", "new-password"))
      submit(t(.changePassword), icon: .lock)
    }
  }

  /// Any page that could not be shown.
  func errorPage(_ failure: Failure) -> HTML {
    let title = failure.title(in: language) ?? t(.errorTitle)
    return page(title) {
      Tag.div(.class("error-page")) {
        Tag.p(String(failure.status.rawValue), .class("error-status"), .hidden)
        Tag.h1(title)
        Tag.p(failure.message(in: language))
        linkButton(t(.backToDashboard), "/", style: "outline-secondary")
      }
    }
  }
}
