internal import Core

/// What the settings page shows of the visitor's own account.
struct OwnSecurity: Sendable {
  var hasSecondFactor: Bool
  var sessions: [(key: String, session: Session)]
  /// The session the page is shown in.
  var present: String
}

extension View {
  func secondFactorCard(_ own: OwnSecurity) -> HTML {
    card(t(.secondFactor), icon: .lock) {
      if own.hasSecondFactor {
        Tag.p(t(.factorOn))
        codeForm(to: "/settings/second-factor/remove", button: t(.factorRemove), style: "outline-danger")
      } else {
        Tag.p(t(.factorOff))
        action(t(.factorSetUp), to: "/settings/second-factor", icon: .lock, style: "primary")
      }
    }
  }

  func sessionCard(_ own: OwnSecurity) -> HTML {
    card(t(.sessions), icon: .device) {
      table(
        t(.sessions), columns: [t(.signedInAt), t(.lastUsed), t(.actions)],
        rows: own.sessions.map { key, session in
          [
            time(session.createdAt), time(session.lastSeenAt),
            key == own.present
              ? Tag.span(t(.thisSession), .class("cell-note"))
              : action(t(.endSession), to: "/settings/sessions/\(key)/end"),
          ]
        })
      if own.sessions.count > 1 {
        action(t(.endOtherSessions), to: "/settings/sessions/end", style: "outline-danger")
      }
    }
  }

  /// The QR code, the secret for typing, and the form for the first code. Never stored, never in an address.
  func factorOfferPage(_ offer: FactorOffer, failure: Failure? = nil) -> HTML {
    page(t(.factorSetUp)) {
      Tag.div(.class("narrow")) {
        header(t(.factorSetUp), lead: t(.factorLead))
        self.failure(failure)
        card {
          qrCode(offer)
          facts([(t(.secret), Tag.code(offer.secret, .class("secret")))])
          codeForm(to: "/settings/second-factor/confirm", button: t(.factorConfirm), style: "primary")
        }
      }
    }
  }

  func recoveryCodesPage(_ codes: [String]) -> HTML {
    page(t(.recoveryCodes)) {
      Tag.div(.class("narrow")) {
        header(t(.recoveryCodes), lead: t(.recoveryLead))
        card {
          alert(.warning, t(.secretWarning))
          Tag.ul { for code in codes { Tag.li { Tag.code(code, .class("secret")) } } }
          linkButton(t(.secretSaved), "/settings")
        }
      }
    }
  }

  private func qrCode(_ offer: FactorOffer) -> HTML {
    Tag.svg(
      Attribute("viewBox", "0 0 \(offer.size) \(offer.size)"), Attribute("width", "240"), Attribute("height", "240"),
      .role("img"), .label(t(.factorQR))
    ) {
      Tag.path(Attribute("fill", "#fff"), Attribute("d", "M0 0h\(offer.size)v\(offer.size)H0z"))
      Tag.path(Attribute("fill", "#000"), Attribute("d", offer.path))
    }
  }

  private func codeForm(to link: Link, button: String, style: String) -> HTML {
    Tag.form(.post, .action(link)) {
      csrfField
      input(
        t(.oneTimeCode), name: "code", help: t(.oneTimeCodeHelp),
        more: .required, Attribute("autocomplete", "one-time-code"), Attribute("maxlength", "40"))
      submit(button, style: style)
    }
  }
}
