internal import Core

extension View {
  func auditPage(_ entries: Slice<AuditLine>, filter: AuditQuery, cursor: String?, failure: Failure? = nil) -> HTML {
    page(t(.navAudit)) {
      header(t(.navAudit), lead: t(.auditLead))
      self.failure(failure)
      card {
        auditFilters(filter)
        if entries.items.isEmpty {
          empty(.audit, t(.noAuditTitle), t(.noAuditText))
        } else {
          auditTable(entries.items)
          cursorPager(current: cursor, next: entries.nextCursor) { filter.link(cursor: $0) }
        }
      }
    }
  }

  private func auditFilters(_ filter: AuditQuery) -> HTML {
    Tag.form(.get, .action("/audit"), .class("filter-line"), .role("search")) {
      input(t(.who), name: "actor", value: filter.actor ?? "")
      input(t(.what), name: "action", value: filter.action ?? "")
      choice(
        t(.result), name: "result",
        options: [("", t(.any))] + AuditOutcome.allCases.map { ($0.rawValue, t(.name(of: $0))) },
        selected: filter.result?.rawValue ?? "")
      submit(t(.find), style: "outline-primary")
    }
  }

  private func auditTable(_ entries: [AuditLine]) -> HTML {
    table(
      t(.navAudit), columns: [t(.when), t(.who), t(.what), t(.onWhat), t(.fromWhere), t(.result)],
      rows: entries.map { entry in
        [
          fullTime(entry.at),
          name(entry.actor),
          Tag.code(entry.action, .class("user-text")),
          HTML {
            name(entry.target)
            if !entry.details.isEmpty { Tag.div(entry.details, .class("cell-note user-text clamp")) }
          },
          name(entry.remote),
          badge(t(.name(of: entry.result)), entry.result == .ok ? .good : entry.result == .refused ? .warning : .bad),
        ]
      })
  }
}

extension AuditQuery {
  init(_ item: (String) -> String?) {
    func filled(_ name: String) -> String? {
      item(name).flatMap { $0.utf8.count <= 200 && !$0.trimmed.isEmpty ? $0.trimmed : nil }
    }
    actor = filled("actor")
    action = filled("action")
    result = filled("result").flatMap { AuditOutcome(rawValue: $0) }
  }

  func link(cursor: String?) -> Link {
    Link("/audit").query([("actor", actor), ("action", action), ("result", result?.rawValue), ("cursor", cursor)])
  }
}

extension Text {
  static func name(of outcome: AuditOutcome) -> Text {
    switch outcome {
    case .ok: .succeeded
    case .refused: .refused
    case .failed: .failed
    }
  }
}
