internal import Core
internal import StorageAPI

extension View {
  /// `results` nil: the search failed, and `failure` says why.
  func filesPage(_ query: FileQuery, results: FileResults?, notice: Notice?, failure: Failure? = nil) -> HTML {
    page(t(.navFiles)) {
      header(t(.navFiles), lead: t(.filesLead)) {
        if canWrite { linkButton(t(.uploadDocuments), "/files/upload", icon: .upload) }
      }
      self.notice(notice)
      searchForm(query)
      Tag.div(.id("results")) { resultsPart(query, results: results, failure: failure) }
    }
  }

  /// The part that changes when one types: htmx swaps it, and it is also part of the whole page.
  func resultsPart(_ query: FileQuery, results: FileResults?, failure: Failure? = nil) -> HTML {
    HTML {
      self.failure(failure)
      if let results {
        card {
          if results.items.isEmpty {
            query.isEverything
              ? empty(.files, t(.noFilesTitle), t(.noFilesText)) {
                if canWrite { linkButton(t(.uploadDocuments), "/files/upload", icon: .upload) }
              }
              : empty(.search, t(.nothingFoundTitle), t(.nothingFoundText)) {
                linkButton(t(.clearSearch), "/files", style: "outline-secondary")
              }
          } else {
            Tag.p(total(of: results), .class("result-count"), .role("status"))
            if results.isPartial { alert(.warning, t(.partialAnswer)) }
            fileTable(results.items, caption: t(.searchResults))
            pager(query, next: results.nextCursor)
          }
        }
      }
    }
  }

  private func total(of results: FileResults) -> String {
    let number = format.count(results.total)
    return results.isExact ? t(.found, number) : t(.foundAtLeast, number)
  }

  private func pager(_ query: FileQuery, next: String?) -> HTML {
    cursorPager(current: query.cursor, next: next) { cursor in
      var other = query
      other.cursor = cursor
      return other.link
    }
  }

  /// Cursors lead only forwards, so there is "first page" and "next page".
  func cursorPager(current: String?, next: String?, link: (String?) -> Link) -> HTML {
    guard current != nil || next != nil else { return .empty }
    return Tag.nav(.class("pager"), .label(t(.pages))) {
      if current != nil {
        linkButton(t(.firstPage), link(nil), icon: .previous, style: "outline-secondary btn-sm")
      }
      if let next {
        Tag.a(.class("btn btn-outline-secondary btn-sm ms-auto"), .href(link(next)), Attribute("rel", "next")) {
          Tag.span(t(.nextPage))
          icon(.next)
        }
      }
    }
  }

  private func searchForm(_ query: FileQuery) -> HTML {
    card(names: "search-card") {
      Tag.form(
        .get, .action("/files"), .role("search"), Attribute("hx-get", "/files"), Attribute("hx-target", "#results"),
        Attribute("hx-trigger", "submit, input changed delay:350ms from:#f-q, change"),
        Attribute("hx-push-url", "true"), Attribute("hx-sync", "this:replace")
      ) {
        Tag.div(.class("search-line")) {
          Tag.div(.class("search-box")) {
            icon(.search)
            Tag.label(t(.searchDocuments), .class("visually-hidden"), .for("f-q"))
            Tag.input(
              .class("form-control form-control-lg"), .id("f-q"), .type("search"), .name("q"), .value(query.text),
              Attribute("placeholder", t(.searchDocuments)), Attribute("autocomplete", "off"),
              Attribute("maxlength", "400"))
          }
          submit(t(.find))
        }
        modeChoice(query.mode)
        filters(query)
      }
    }
  }

  private func modeChoice(_ selected: SearchMode) -> HTML {
    Tag.fieldset(.class("mode-choice")) {
      Tag.legend(t(.searchMode), .class("visually-hidden"))
      for mode in SearchMode.allCases {
        Tag.div(.class("form-check form-check-inline")) {
          Tag.input(
            .class("form-check-input"), .type("radio"), .name("mode"), .id("f-mode-\(mode.rawValue)"),
            .value(mode.rawValue), Attribute("checked", if: mode == selected))
          Tag.label(t(.name(of: mode)), .class("form-check-label"), .for("f-mode-\(mode.rawValue)"))
        }
      }
    }
  }

  private func filters(_ query: FileQuery) -> HTML {
    Tag.details(.class("filters"), Attribute("open", if: query.hasFilters)) {
      Tag.summary(t(.moreFilters))
      Tag.div(.class("filter-grid")) {
        input(
          t(.fileExtension), name: "extension", value: query.fileExtension ?? "", more: Attribute("placeholder", "pdf"))
        input(t(.tags), name: "tags", value: query.tags.joined(separator: ", "), help: t(.tagsHelp))
        input(t(.uploadedBy), name: "uploaded_by", value: query.uploadedBy ?? "")
        choice(
          t(.retention), name: "retention",
          options: [("", t(.any))] + RetentionPolicy.allCases.map { ($0.rawValue, t(.name(of: $0))) },
          selected: query.retention?.rawValue ?? "")
        choice(
          t(.state), name: "status",
          options: FileStatus.allCases.map { ($0.rawValue, t(.name(of: $0))) }, selected: query.status.rawValue)
        input(t(.uploadedAfter), name: "after", value: dateValue(query.uploadedAfter), type: "date")
        input(t(.uploadedBefore), name: "before", value: dateValue(query.uploadedBefore), type: "date")
        input(
          t(.minSize), name: "min_size", value: query.minSize.map { String($0 / 1024) } ?? "", type: "number",
          more: Attribute("min", "0"))
        input(
          t(.maxSize), name: "max_size", value: query.maxSize.map { String($0 / 1024) } ?? "", type: "number",
          more: Attribute("min", "0"))
        choice(
          t(.order), name: "order", options: FileOrder.allCases.map { ($0.rawValue, t(.name(of: $0))) },
          selected: query.order.rawValue)
      }
      Tag.div(.class("button-row")) {
        submit(t(.applyFilters), style: "outline-primary btn-sm")
        linkButton(t(.clearSearch), "/files", style: "outline-secondary btn-sm")
      }
    }
  }

  private func dateValue(_ time: Timestamp?) -> String { time.map { String($0.description.prefix(10)) } ?? "" }

  /// Documents as a list; used by the search and by the dashboard.
  func fileTable(_ records: [FileRecord], caption: String) -> HTML {
    table(
      caption, columns: [t(.name), t(.size), t(.uploadedBy), t(.uploadedAt), t(.state), t(.actions)],
      rows: records.map { record in
        [
          HTML {
            Tag.a(.href("/files/\(record.fileID)")) { name(record.originalFilename) }
            if let description = record.description, !description.isEmpty {
              Tag.div(.class("cell-note clamp"), Attribute("dir", "auto")) { description }
            }
            tagPills(record.tags)
          },
          Tag.span(format.size(record.size), .class("text-nowrap")),
          name(record.uploadedBy),
          time(record.uploadedAt),
          fileStatusBadge(record),
          Tag.a(
            .class("btn btn-sm btn-outline-secondary"), .href("/files/\(record.fileID)/download"),
            .label("\(t(.download)): \(record.originalFilename)"), Attribute("download", "")
          ) { icon(.download) },
        ]
      })
  }

  func tagPills(_ tags: [String]) -> HTML? {
    guard !tags.isEmpty else { return nil }
    return Tag.ul(.class("tag-list"), .label(t(.tags))) {
      for tag in tags.prefix(12) {
        Tag.li {
          Tag.a(.class("tag-pill"), .href(Link("/files").query([("tags", tag)])), Attribute("dir", "auto")) { tag }
        }
      }
    }
  }

  func fileStatusBadge(_ record: FileRecord) -> HTML {
    switch record.status {
    case .active: badge(t(.name(of: record.retentionPolicy)), record.retentionPolicy == .permanent ? .good : .info)
    case .expired: badge(t(.name(of: record.status)), .warning)
    case .deleted: badge(t(.name(of: record.status)), .neutral)
    }
  }
}

extension Text {
  static func name(of mode: SearchMode) -> Text {
    switch mode {
    case .fulltext: .searchFulltext
    case .partial: .searchPartial
    case .exact: .searchExact
    }
  }

  static func name(of retention: RetentionPolicy) -> Text { retention == .permanent ? .permanent : .temporary }

  static func name(of status: FileStatus) -> Text {
    switch status {
    case .active: .fileActive
    case .expired: .fileExpired
    case .deleted: .fileDeleted
    }
  }

  static func name(of order: FileOrder) -> Text {
    switch order {
    case .relevance: .orderRelevance
    case .newest: .orderNewest
    case .oldest: .orderOldest
    case .name: .orderName
    case .largest: .orderLargest
    }
  }
}
