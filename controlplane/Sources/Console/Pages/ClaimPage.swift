internal import Core

extension View {
  /// Address and claim code. "Check address" asks who answers there before anything is claimed: htmx fetches the answer
  /// into the page; without JavaScript the same button sends the form and the page comes back with the answer.
  func claimPage(_ form: ClaimForm, discovery: Discovery? = nil, failure: Failure? = nil) -> HTML {
    page(t(.addStorage)) {
      Tag.div(.class("narrow")) {
        header(t(.addStorage), lead: t(.claimLead))
        self.failure(failure)
        card {
          Tag.form(.post, .action("/storage-elements/claim"), .id("claim-form")) {
            csrfField
            input(
              t(.address), name: "url", value: form.url, type: "url", help: t(.addressHelp),
              failure: failure, more: .required, Attribute("placeholder", "https://archive.example:8010"),
              Attribute("spellcheck", "false"), Attribute("autofocus", if: form.url.isEmpty))
            Tag.button(
              .class("btn btn-outline-secondary"), .type("submit"),
              Attribute("formaction", "/storage-elements/discover"), Attribute("formnovalidate", if: true),
              Attribute("hx-post", "/storage-elements/discover"), Attribute("hx-target", "#discovery"),
              Attribute("hx-include", "#claim-form"), Attribute("hx-disabled-elt", "this")
            ) {
              icon(.search)
              Tag.span(t(.checkAddress))
            }
            Tag.div(.id("discovery"), Attribute("aria-live", "polite")) { discoveryPart(discovery) }
            input(
              t(.claimCode), name: "claim_code", value: form.claimCode, help: t(.claimCodeHelp),
              failure: failure, more: .required, Attribute("autocomplete", "off"), Attribute("spellcheck", "false"),
              Attribute("autocapitalize", "characters"))
            input(
              t(.name), name: "name", value: form.name, help: t(.nameHelp), failure: failure, more: .required,
              Attribute("maxlength", "100"))
            input(
              t(.priority), name: "priority", value: String(form.priority), type: "number", help: t(.priorityHelp),
              failure: failure, more: .required, Attribute("min", "0"), Attribute("max", "10000"))
            Tag.div(.class("button-row")) {
              submit(t(.claim), icon: .add)
              linkButton(t(.cancel), "/storage-elements", style: "outline-secondary")
            }
          }
          Tag.p(.class("mt-3 mb-0")) {
            Tag.a(t(.registerLink), .href("/storage-elements/register"))
          }
        }
      }
    }
  }

  /// For an appliance that was of this fleet before: a restored database does not know it.
  func registerPage(_ form: ClaimForm, failure: Failure? = nil) -> HTML {
    page(t(.registerAgain)) {
      Tag.div(.class("narrow")) {
        header(t(.registerAgain), lead: t(.registerLead))
        self.failure(failure)
        card {
          Tag.form(.post, .action("/storage-elements/register")) {
            csrfField
            input(
              t(.address), name: "url", value: form.url, type: "url", help: t(.addressHelp), failure: failure,
              more: .required, Attribute("placeholder", "https://archive.example:8010"),
              Attribute("spellcheck", "false"))
            input(
              t(.name), name: "name", value: form.name, help: t(.nameHelp), failure: failure, more: .required,
              Attribute("maxlength", "100"))
            input(
              t(.priority), name: "priority", value: String(form.priority), type: "number", help: t(.priorityHelp),
              failure: failure, more: .required, Attribute("min", "0"), Attribute("max", "10000"))
            Tag.div(.class("button-row")) {
              submit(t(.register), icon: .add)
              linkButton(t(.cancel), "/storage-elements", style: "outline-secondary")
            }
          }
        }
      }
    }
  }

  /// Who answers at the address; the part that htmx swaps in.
  func discoveryPart(_ discovery: Discovery?, failure: Failure? = nil) -> HTML {
    HTML {
      self.failure(failure)
      if let discovery {
        Tag.div(.class("discovery")) {
          alert(
            discovery.knownAs == nil ? .good : .warning, title: t(.applianceAnswers),
            discovery.knownAs.map { t(.applianceClaimed, $0) }
              ?? t(discovery.isClaimed ? .applianceOurs : .applianceFree))
          if discovery.isClaimed, discovery.knownAs == nil {
            Tag.p {
              linkButton(
                t(.registerAgain), Link("/storage-elements/register").query([("url", discovery.url)]),
                style: "outline-secondary btn-sm")
            }
          }
          facts([
            (
              t(.mode),
              HTML {
                modeBadge(discovery.mode)
                " "
                t(.description(of: discovery.mode))
              }
            ),
            (t(.version), HTML(discovery.version)),
            (t(.storageID), Tag.code(discovery.storageID, .class("user-text"))),
          ])
        }
      }
    }
  }
}
