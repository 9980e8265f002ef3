internal import Core
internal import StorageAPI

extension View {
  func storageListPage(_ elements: [StorageElement], notice: Notice?) -> HTML {
    page(t(.navStorage)) {
      header(t(.navStorage), lead: t(.storageLead)) {
        if canWrite { linkButton(t(.addStorage), "/storage-elements/claim", icon: .add) }
      }
      self.notice(notice)
      if elements.isEmpty {
        card {
          empty(.storage, t(.noStorageTitle), t(.noStorageText)) {
            if canWrite { linkButton(t(.addStorage), "/storage-elements/claim", icon: .add) }
          }
        }
      } else {
        card { storageTable(elements) }
      }
    }
  }

  private func storageTable(_ elements: [StorageElement]) -> HTML {
    table(
      t(.navStorage),
      columns: [t(.name), t(.mode), t(.state), t(.capacity), t(.priority), t(.lastSync)]
        + (canWrite ? [t(.actions)] : []),
      rows: elements.map { element in
        var row = [
          HTML {
            Tag.a(.href("/storage-elements/\(element.id)")) { name(element.name) }
            Tag.div(element.url, .class("cell-note user-text"))
          },
          modeBadge(element.mode),
          statusBadge(element.status),
          capacityBar(element),
          HTML(format.count(element.priority)),
          time(element.lastFileSyncAt, orElse: t(.never)),
        ]
        if canWrite { row.append(action(t(.sync), to: "/storage-elements/\(element.id)/sync", icon: .sync)) }
        return row
      })
  }

  func storagePage(_ element: StorageElement, notice: Notice?, failure: Failure? = nil) -> HTML {
    page(element.name) {
      header(element.name, lead: element.url) {
        if canWrite {
          action(t(.sync), to: "/storage-elements/\(element.id)/sync", icon: .sync, style: "outline-secondary")
        }
      }
      self.notice(notice)
      self.failure(failure)
      revocationNotice(element)
      if element.isClockWrong {
        let seconds = format.count((element.clockOffsetMilliseconds ?? 0) / 1000)
        alert(.warning, title: t(.clockWrong), t(.clockWrongText, seconds))
      }
      if element.status != .online {
        alert(.warning, title: t(.notOnline), element.problem ?? t(.notOnlineText))
      }
      if element.isLossHeld { lossNotice(element) }
      journalNotice(element)
      if let fault = element.syncFault, fault != "loss_held" {
        alert(.warning, title: t(.syncFault), t(Self.text(ofFault: fault)))
      }
      Tag.div(.class("columns")) {
        card(t(.state), icon: .info) {
          facts([
            (t(.state), statusBadge(element.status)),
            (
              t(.mode),
              HTML {
                modeBadge(element.mode)
                " "
                t(.description(of: element.mode))
              }
            ),
            (t(.lastContact), time(element.lastSyncAt, orElse: t(.never))),
            (t(.lastSync), time(element.lastFileSyncAt, orElse: t(.never))),
            (t(.provenEqual), time(element.provenEqualAt, orElse: t(.never))),
            (t(.clockOffset), HTML(element.clockOffsetMilliseconds.map { "\(format.count($0)) ms" } ?? "—")),
            (t(.certificateExpires), fullTime(element.certificateExpiresAt)),
            (t(.registered), fullTime(element.createdAt)),
            (t(.storageID), Tag.code(element.storageID, .class("user-text"))),
          ])
        }
        Tag.div {
          card(t(.capacity), icon: .storage) {
            capacityBar(element)
            if let free = element.availableBytes { Tag.p(t(.freeSpace, format.size(free)), .class("mt-2 mb-0")) }
            trend(element)
          }
          if let standing = element.standing { standingCard(standing) }
          if canWrite {
            modeCard(element)
            storageSettingsCard(element)
          }
        }
      }
    }
  }

  /// `sync_fault` of the registry for a person.
  private static func text(ofFault fault: String) -> Text {
    switch fault {
    case "unreachable": .faultUnreachable
    case "untrusted": .faultUntrusted
    case "cut": .faultCut
    case "bad_page": .faultBadPage
    case "endless": .faultEndless
    case "history_changed": .faultHistoryChanged
    case "lines_refused": .faultLinesRefused
    case "unequal": .faultUnequal
    case "database": .faultDatabase
    default: .faultFailed
    }
  }

  private func lossNotice(_ element: StorageElement) -> HTML {
    HTML {
      alert(.warning, title: t(.lossHeld), t(.lossHeldText))
      if canWrite {
        Tag.p {
          linkButton(t(.acceptLoss), "/storage-elements/\(element.id)/accept-loss", style: "outline-danger btn-sm")
        }
      }
    }
  }

  func acceptLossPage(_ element: StorageElement, failure: Failure? = nil) -> HTML {
    confirmationPage(
      t(.acceptLossTitle, element.name), to: "/storage-elements/\(element.id)/accept-loss",
      back: "/storage-elements/\(element.id)", button: t(.acceptLoss), isDangerous: true, failure: failure
    ) { Tag.p(t(.acceptLossText)) }
  }

  private func modeCard(_ element: StorageElement) -> HTML {
    card(t(.changeMode), icon: .transfer) {
      let targets = ApplianceMode.allCases.filter { element.mode.transition(to: $0) != .refused }
      if targets.isEmpty {
        Tag.p(element.mode == .ar ? t(.modeStaysAR) : t(.modeStaysEdit), .class("mb-0"))
      } else {
        Tag.ul(.class("mode-list")) {
          for target in targets {
            Tag.li {
              Tag.div {
                modeBadge(target)
                Tag.p(t(.description(of: target)))
              }
              linkButton(
                t(.switchTo, target.rawValue),
                Link("/storage-elements/\(element.id)/mode").query([("target", target.rawValue)]),
                style: "outline-secondary btn-sm")
            }
          }
        }
      }
    }
  }

  private func storageSettingsCard(_ element: StorageElement) -> HTML {
    card(t(.navSettings), icon: .settings) {
      Tag.form(.post, .action("/storage-elements/\(element.id)")) {
        csrfField
        input(t(.name), name: "name", value: element.name, more: .required, Attribute("maxlength", "100"))
        input(
          t(.priority), name: "priority", value: String(element.priority), type: "number", help: t(.priorityHelp),
          more: .required, Attribute("min", "0"), Attribute("max", "10000"))
        Tag.div(.class("button-row")) {
          submit(t(.save))
          linkButton(
            t(.removeStorage), "/storage-elements/\(element.id)/remove", icon: .delete, style: "outline-danger")
          if element.certificateRevokedAt == nil {
            linkButton(
              t(.revokeCertificate), "/storage-elements/\(element.id)/revoke", icon: .lock, style: "outline-danger")
          }
        }
      }
    }
  }

  /// Asked before every change of mode: says what will be possible afterwards, and what not.
  func modePage(_ element: StorageElement, target: ApplianceMode, failure: Failure? = nil) -> HTML {
    confirmationPage(
      t(.changeModeTitle, element.name), to: "/storage-elements/\(element.id)/mode",
      back: "/storage-elements/\(element.id)", button: t(.switchTo, target.rawValue), isDangerous: target == .ar,
      failure: failure
    ) {
      Tag.div(.class("mode-change")) {
        modeBadge(element.mode)
        icon(.transfer)
        modeBadge(target)
      }
      Tag.p(t(.description(of: target)))
      if target == .ar { alert(.warning, t(.modeARWarning)) }
      if target == .rw { alert(.info, t(.modeBackToRW)) }
      Tag.input(.type("hidden"), .name("target"), .value(target.rawValue))
    }
  }

  func removeStoragePage(_ element: StorageElement, failure: Failure? = nil) -> HTML {
    confirmationPage(
      t(.removeStorageTitle, element.name), to: "/storage-elements/\(element.id)/remove",
      back: "/storage-elements/\(element.id)", button: t(.removeStorage), isDangerous: true, failure: failure
    ) {
      Tag.p(t(.removeStorageText))
      Tag.div(.class("form-check field")) {
        Tag.input(.class("form-check-input"), .type("checkbox"), .name("force"), .id("f-force"), .value("yes"))
        Tag.label(t(.removeStorageForce), .class("form-check-label"), .for("f-force"))
      }
    }
  }

  /// A question, what it means, and two ways on. Works without JavaScript.
  func confirmationPage(
    _ title: String, to link: Link, back: Link, button: String, isDangerous: Bool, failure: Failure?,
    @HTMLBuilder content: () -> HTML
  ) -> HTML {
    let inside = content()
    return page(title) {
      Tag.div(.class("narrow")) {
        header(title)
        self.failure(failure)
        card {
          Tag.form(.post, .action(link)) {
            csrfField
            inside
            Tag.div(.class("button-row")) {
              submit(button, style: isDangerous ? "danger" : "primary")
              linkButton(t(.cancel), back, style: "outline-secondary")
            }
          }
        }
      }
    }
  }
}
