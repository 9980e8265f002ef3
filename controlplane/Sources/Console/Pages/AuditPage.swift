internal import Core

extension View {
  func auditPage(_ entries: Slice<AuditEntry>, filter: AuditFilter, cursor: String?, failure: Failure? = nil) -> HTML {
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

  private func auditFilters(_ filter: AuditFilter) -> HTML {
    Tag.form(.get, .action("/audit"), .class("filter-line"), .role("search")) {
      input(t(.who), name: "actor", value: filter.actor ?? "")
      input(t(.what), name: "action", value: filter.action ?? "")
      choice(
        t(.result), name: "result",
        options: [("", t(.any)), ("success", t(.succeeded)), ("failure", t(.failed))], selected: filter.result ?? "")
      submit(t(.find), style: "outline-primary")
    }
  }

  private func auditTable(_ entries: [AuditEntry]) -> HTML {
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
          entry.isSuccess ? badge(t(.succeeded), .good) : badge(t(.failed), .bad),
        ]
      })
  }
}

extension AuditFilter {
  init(_ item: (String) -> String?) {
    func filled(_ name: String) -> String? {
      item(name).flatMap { $0.utf8.count <= 200 && !$0.trimmed.isEmpty ? $0.trimmed : nil }
    }
    actor = filled("actor")
    action = filled("action")
    result = filled("result").flatMap { ["success", "failure"].contains($0) ? $0 : nil }
  }

  func link(cursor: String?) -> Link {
    Link("/audit").query([("actor", actor), ("action", action), ("result", result), ("cursor", cursor)])
  }
}
