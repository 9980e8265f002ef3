internal import Core
internal import JWT

extension View {
  /// What a local client may be allowed.
  static let localScopes: [Scope] = [.filesRead, .filesWrite, .storageRead]

  func localClientsPage(_ clients: [SiteClient], notice: Notice?, failure: Failure? = nil) -> HTML {
    page(t(.localClients)) {
      header(t(.localClients), lead: t(.localClientsLead)) {
        if canWrite { linkButton(t(.newLocalClient), "/access/local-clients/new", icon: .add) }
      }
      self.notice(notice)
      self.failure(failure)
      card {
        if clients.isEmpty {
          empty(.robot, t(.noLocalClientsTitle), t(.noLocalClientsText))
        } else {
          localClientTable(clients)
        }
      }
    }
  }

  private func localClientTable(_ clients: [SiteClient]) -> HTML {
    table(
      t(.localClients),
      columns: [t(.name), t(.scopes), t(.sites), t(.certificateExpires), t(.keyHash)] + (canWrite ? [t(.actions)] : []),
      rows: clients.map { client in
        var row = [
          HTML {
            name(client.name)
            Tag.div { Tag.code(client.identity, .class("cell-note user-text")) }
          },
          Tag.ul(.class("tag-list")) { for scope in client.scopes { Tag.li(scope, .class("tag-pill")) } },
          Tag.ul(.class("tag-list")) {
            for site in client.sites { Tag.li(.class("tag-pill")) { name(site) } }
          },
          client.expiresAt <= now ? badge(t(.expired), .bad) : time(client.expiresAt),
          Tag.code(client.key, .class("cell-note user-text")),
        ]
        if canWrite {
          row.append(
            Tag.div(.class("row-actions")) {
              action(t(.renewTerm), to: "/access/local-clients/\(client.id)/renew", icon: .sync)
              linkButton(
                t(.removeClient), "/access/local-clients/\(client.id)/remove", style: "outline-danger btn-sm")
            })
        }
        return row
      })
  }

  func newLocalClientPage(_ form: LocalClientForm, sites: [StorageElement], failure: Failure? = nil) -> HTML {
    page(t(.newLocalClient)) {
      Tag.div(.class("narrow")) {
        header(t(.newLocalClient), lead: t(.newLocalClientLead))
        self.failure(failure)
        card {
          Tag.form(.post, .action("/access/local-clients/new")) {
            csrfField
            input(
              t(.name), name: "name", value: form.name, help: t(.localNameHelp), failure: failure, more: .required,
              Attribute("maxlength", "64"), Attribute("spellcheck", "false"))
            textArea(
              t(.certificateRequest), name: "csr", value: form.request, help: t(.certificateRequestHelp),
              failure: failure, more: .required, Attribute("placeholder", "-----BEGIN CERTIFICATE REQUEST-----"))
            checkboxes(
              t(.scopes), field: "scopes", prefix: "scope",
              options: Self.localScopes.map { ($0.rawValue, $0.rawValue) }, selected: form.scopes, failure: failure)
            checkboxes(
              t(.sites), field: "storage_element_ids", prefix: "site", options: sites.map { ($0.id, $0.name) },
              selected: form.sites, failure: failure)
            input(
              t(.termDays), name: "days", value: form.days, type: "number", help: t(.termDaysHelp), failure: failure,
              more: .required, Attribute("min", "1"), Attribute("max", "45"))
            Tag.div(.class("button-row")) {
              submit(t(.create), icon: .add)
              linkButton(t(.cancel), "/access/local-clients", style: "outline-secondary")
            }
          }
        }
      }
    }
  }

  /// Nothing secret: the key stays with the client.
  func certificatePage(_ certificate: IssuedCertificate) -> HTML {
    page(t(.certificateTitle)) {
      Tag.div(.class("narrow")) {
        header(t(.certificateTitle), lead: t(.certificateLead))
        card {
          facts([
            (t(.identityInCertificate), Tag.code(certificate.identity, .class("user-text"))),
            (t(.certificateExpires), fullTime(certificate.expiresAt)),
          ])
          Tag.pre(certificate.chain, .id("certificate"), .class("pem"), Attribute("tabindex", "0"))
          Tag.div(.class("button-row")) {
            Tag.button(
              t(.copy), .class("btn btn-outline-secondary script-only"), .type("button"),
              Attribute("data-copy", "#certificate"), Attribute("data-copied", t(.copied)))
            linkButton(t(.certificateSaved), "/access/local-clients")
          }
        }
      }
    }
  }

  func removeLocalClientPage(_ client: SiteClient, failure: Failure? = nil) -> HTML {
    confirmationPage(
      t(.removeClientTitle, client.name), to: "/access/local-clients/\(client.id)/remove",
      back: "/access/local-clients", button: t(.removeClient), isDangerous: true, failure: failure
    ) { Tag.p(t(.removeClientText)) }
  }

  func revocationsPage(
    _ keys: [Revocation], _ form: RevocationForm, notice: Notice?, failure: Failure? = nil
  ) -> HTML {
    page(t(.revokedKeys)) {
      header(t(.revokedKeys), lead: t(.revokedKeysLead))
      self.notice(notice)
      self.failure(failure)
      card {
        if keys.isEmpty {
          empty(.shield, t(.noRevocationsTitle), t(.noRevocationsText))
        } else {
          table(
            t(.revokedKeys), columns: [t(.subject), t(.reason), t(.who), t(.when), t(.keyHash)],
            rows: keys.map { key in
              [
                key.subject.isEmpty ? HTML("—") : Tag.code(key.subject, .class("user-text")), name(key.reason),
                name(key.revokedBy), time(key.revokedAt), Tag.code(key.key, .class("cell-note user-text")),
              ]
            })
        }
        if canWrite { newRevocationForm(form, failure) }
      }
    }
  }

  private func newRevocationForm(_ form: RevocationForm, _ failure: Failure?) -> HTML {
    Tag.details(.class("new-entry"), Attribute("open", if: failure != nil)) {
      Tag.summary(t(.revokeKey))
      Tag.form(.post, .action("/access/revocations")) {
        csrfField
        Tag.p(t(.revokeKeyLead))
        input(
          t(.reason), name: "reason", value: form.reason, failure: failure, more: .required,
          Attribute("maxlength", "400"))
        textArea(
          t(.certificate), name: "certificate", value: form.certificate, help: t(.certificateOrKey), failure: failure,
          more: Attribute("placeholder", "-----BEGIN CERTIFICATE-----"))
        input(
          t(.keyHash), name: "key_sha256", value: form.key, help: t(.keyHashHelp), failure: failure,
          more: Attribute("maxlength", "64"), Attribute("spellcheck", "false"))
        submit(t(.revokeKey), style: "danger")
      }
    }
  }

  func revokeElementPage(_ element: StorageElement, reason: String, failure: Failure? = nil) -> HTML {
    confirmationPage(
      t(.revokeCertificateTitle, element.name), to: "/storage-elements/\(element.id)/revoke",
      back: "/storage-elements/\(element.id)", button: t(.revokeCertificate), isDangerous: true, failure: failure
    ) {
      Tag.p(t(.revokeCertificateText))
      input(
        t(.reason), name: "reason", value: reason, failure: failure, more: .required, Attribute("maxlength", "400"))
    }
  }

  /// On a storage element's page.
  func revocationNotice(_ element: StorageElement) -> HTML {
    guard let at = element.certificateRevokedAt else { return .empty }
    return alert(
      .bad, title: t(.certificateRevoked),
      t(.certificateRevokedText, format.time(at), element.certificateRevokedReason ?? "—"))
  }
}
