internal import Core
internal import JWT

/// Who may use the system: people and programs. A part that may not be seen or could not be fetched is nil.
struct AccessOverview: Sendable {
  var administrators: [Administrator]
  var accounts: [ServiceAccount]
}

extension View {
  func accessPage(_ access: AccessOverview, notice: Notice?, failure: Failure? = nil) -> HTML {
    page(t(.navAccess)) {
      header(t(.navAccess), lead: t(.accessLead)) {
        linkButton(t(.localClients), "/access/local-clients", icon: .robot, style: "outline-secondary")
        linkButton(t(.revokedKeys), "/access/revocations", icon: .key, style: "outline-secondary")
      }
      self.notice(notice)
      self.failure(failure)
      card(t(.administrators), icon: .person) {
        administratorTable(access.administrators)
        if canWrite { newAdministratorForm }
      }
      card(t(.serviceAccounts), icon: .robot) {
        if access.accounts.isEmpty {
          empty(.robot, t(.noAccountsTitle), t(.noAccountsText))
        } else {
          accountTable(access.accounts)
        }
        if canWrite { newAccountForm }
      }
    }
  }

  private func administratorTable(_ administrators: [Administrator]) -> HTML {
    table(
      t(.administrators),
      columns: [t(.login), t(.role), t(.state), t(.secondFactor), t(.lastSignIn)] + (canWrite ? [t(.actions)] : []),
      rows: administrators.map { administrator in
        var row = [
          name(administrator.login),
          HTML(administrator.role == .admin ? t(.roleAdmin) : t(.roleReadonly)),
          administratorState(administrator),
          HTML(administrator.hasSecondFactor ? t(.yes) : t(.no)),
          time(administrator.lastSignInAt, orElse: t(.never)),
        ]
        if canWrite { row.append(administratorActions(administrator)) }
        return row
      })
  }

  private func administratorState(_ administrator: Administrator) -> HTML {
    if administrator.isSuspended { return badge(t(.suspended), .neutral) }
    if let until = administrator.lockedUntil, until > now { return badge(t(.locked), .bad) }
    return badge(t(.accountActive), .good)
  }

  private func administratorActions(_ administrator: Administrator) -> HTML {
    Tag.div(.class("row-actions")) {
      if let until = administrator.lockedUntil, until > now {
        action(t(.unlock), to: "/access/administrators/\(administrator.id)/unlock")
      }
      if administrator.id == session?.administratorID {
        Tag.span(t(.thatIsYou), .class("cell-note"))
      } else {
        action(t(.resetPassword), to: "/access/administrators/\(administrator.id)/reset-password")
        administrator.isSuspended
          ? action(t(.resume), to: "/access/administrators/\(administrator.id)/resume")
          : action(
            t(.suspend), to: "/access/administrators/\(administrator.id)/suspend", style: "outline-danger btn-sm")
      }
    }
  }

  private func accountTable(_ accounts: [ServiceAccount]) -> HTML {
    table(
      t(.serviceAccounts),
      columns: [t(.name), t(.scopes), t(.state), t(.secretExpires), t(.lastUsed)] + (canWrite ? [t(.actions)] : []),
      rows: accounts.map { account in
        var row = [
          HTML {
            name(account.name)
            Tag.div { Tag.code(account.clientID, .class("cell-note user-text")) }
            if !account.description.isEmpty { Tag.div(account.description, .class("cell-note user-text")) }
          },
          Tag.ul(.class("tag-list")) { for scope in account.scopes { Tag.li(scope, .class("tag-pill")) } },
          account.isSuspended ? badge(t(.suspended), .neutral) : badge(t(.accountActive), .good),
          secretExpiry(account.secretExpiresAt),
          time(account.lastUsedAt, orElse: t(.never)),
        ]
        if canWrite { row.append(accountActions(account)) }
        return row
      })
  }

  private func secretExpiry(_ expires: Timestamp?) -> HTML {
    guard let expires else { return HTML(t(.never)) }
    return expires <= now ? badge(t(.expired), .bad) : time(expires)
  }

  private func accountActions(_ account: ServiceAccount) -> HTML {
    Tag.div(.class("row-actions")) {
      action(t(.rotateSecret), to: "/access/service-accounts/\(account.id)/rotate-secret", icon: .key)
      account.isSuspended
        ? action(t(.resume), to: "/access/service-accounts/\(account.id)/resume")
        : action(t(.suspend), to: "/access/service-accounts/\(account.id)/suspend", style: "outline-danger btn-sm")
    }
  }

  private var newAdministratorForm: HTML {
    Tag.details(.class("new-entry")) {
      Tag.summary(t(.newAdministrator))
      Tag.form(.post, .action("/access/administrators")) {
        csrfField
        Tag.div(.class("two-fields")) {
          input(
            t(.login), name: "login", more: .required, Attribute("maxlength", "64"), Attribute("autocomplete", "off"),
            Attribute("spellcheck", "false"))
          choice(
            t(.role), name: "role", options: [("readonly", t(.roleReadonly)), ("admin", t(.roleAdmin))],
            selected: "readonly", help: t(.roleHelp))
        }
        submit(t(.create), icon: .add)
      }
    }
  }

  private var newAccountForm: HTML {
    Tag.details(.class("new-entry")) {
      Tag.summary(t(.newAccount))
      Tag.form(.post, .action("/access/service-accounts")) {
        csrfField
        Tag.div(.class("two-fields")) {
          input(t(.name), name: "name", help: t(.accountNameHelp), more: .required, Attribute("maxlength", "40"))
          input(
            t(.secretDays), name: "days", value: "90", type: "number", help: t(.secretDaysHelp),
            more: .required, Attribute("min", "0"), Attribute("max", "3650"))
        }
        field(t(.description), id: "f-account-description") { id, _ in
          HTML(.input, [.class("form-control"), .id(id), .name("description"), Attribute("maxlength", "500")], .empty)
        }
        Tag.fieldset(.class("field")) {
          Tag.legend(t(.scopes), .class("form-label"))
          for scope in Scope.allCases {
            Tag.div(.class("form-check form-check-inline")) {
              Tag.input(
                .class("form-check-input"), .type("checkbox"), .name("scope-\(scope.rawValue)"),
                .id("f-scope-\(scope.rawValue)"), .value("yes"),
                Attribute("checked", if: scope == .filesRead))
              Tag.label(scope.rawValue, .class("form-check-label"), .for("f-scope-\(scope.rawValue)"))
            }
          }
        }
        submit(t(.create), icon: .add)
      }
    }
  }

  /// The only time a secret is ever shown. Never stored, never in an address, the page may not be kept by anyone.
  func secretPage(_ secret: IssuedSecret, isPassword: Bool) -> HTML {
    page(t(.secretTitle)) {
      Tag.div(.class("narrow")) {
        header(t(.secretTitle), lead: isPassword ? t(.secretPasswordLead) : t(.secretLead))
        card {
          alert(.warning, t(.secretWarning))
          facts([
            (isPassword ? t(.login) : t(.clientID), Tag.code(secret.owner, .class("user-text"))),
            (
              isPassword ? t(.oneTimePassword) : t(.secret),
              Tag.code(secret.secret, .class("secret"), .id("secret"))
            ),
          ])
          Tag.div(.class("button-row")) {
            Tag.button(
              t(.copy), .class("btn btn-outline-secondary script-only"), .type("button"),
              Attribute("data-copy", "#secret"), Attribute("data-copied", t(.copied)))
            linkButton(t(.secretSaved), "/access")
          }
        }
      }
    }
  }
}
