internal import Core

extension View {
  func settingsPage(_ own: OwnSecurity, notice: Notice?, failure: Failure? = nil) -> HTML {
    page(t(.navSettings)) {
      header(t(.navSettings), lead: t(.settingsLead))
      self.notice(notice)
      Tag.div(.class("columns")) {
        card(t(.appearance), icon: .device) {
          Tag.form(.post, .action("/settings")) {
            csrfField
            Tag.fieldset(.class("field")) {
              Tag.legend(t(.language), .class("form-label"))
              for other in Language.allCases {
                radio("language", other.rawValue, other.ownName, isChecked: other == language, lang: other.rawValue)
              }
            }
            Tag.fieldset(.class("field")) {
              Tag.legend(t(.theme), .class("form-label"))
              for other in Theme.allCases {
                radio("theme", other.rawValue, t(.name(of: other)), isChecked: other == theme)
              }
            }
            submit(t(.save))
          }
        }
        card(t(.changePassword), icon: .lock) {
          self.failure(failure)
          passwordForm(to: "/settings/password", currentLabel: t(.currentPassword))
        }
        secondFactorCard(own)
        sessionCard(own)
      }
    }
  }

  private func radio(
    _ group: String, _ value: String, _ label: String, isChecked: Bool, lang: String? = nil
  ) -> HTML {
    Tag.div(.class("form-check")) {
      Tag.input(
        .class("form-check-input"), .type("radio"), .name(group), .id("f-\(group)-\(value)"), .value(value),
        Attribute("checked", if: isChecked))
      Tag.label(
        label, .class("form-check-label"), .for("f-\(group)-\(value)"), Attribute("lang", orNone: lang))
    }
  }
}

extension Text {
  static func name(of theme: Theme) -> Text {
    switch theme {
    case .device: .themeDevice
    case .light: .themeLight
    case .dark: .themeDark
    }
  }
}
