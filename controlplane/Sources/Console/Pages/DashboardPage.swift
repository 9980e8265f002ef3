internal import Core
internal import StorageAPI

/// What the dashboard shows. A part that could not be fetched is nil: the rest is still worth seeing.
struct Overview: Sendable {
  var elements: [StorageElement]?
  var totals: DocumentTotals?
  var recent: [FileRecord]?
  var tasks: [TaskState]?
}

extension View {
  func dashboardPage(_ overview: Overview, notice: Notice? = nil) -> HTML {
    page(t(.navDashboard)) {
      header(t(.navDashboard), lead: t(.dashboardLead)) {
        if canWrite { linkButton(t(.uploadDocuments), "/files/upload", icon: .upload) }
      }
      self.notice(notice)
      Tag.div(Attribute("hx-ext", "sse"), Attribute("sse-connect", "/events")) {
        Tag.div(.id("live-fleet"), Attribute("sse-swap", "fleet")) { fleetTiles(overview) }
        Tag.div(.class("columns")) {
          Tag.div(.id("live-capacity"), Attribute("sse-swap", "capacity")) { capacityCard(overview.elements) }
          Tag.div(.id("live-tasks"), Attribute("sse-swap", "tasks")) { tasksCard(overview.tasks) }
        }
        Tag.div(.id("live-recent"), Attribute("sse-swap", "recent")) { recentCard(overview.recent) }
      }
    }
  }

  /// Four figures; each says in words what it means.
  func fleetTiles(_ overview: Overview) -> HTML {
    let elements = overview.elements ?? []
    let online = elements.count { $0.status == .online }
    let used = elements.reduce(0) { $0 + ($1.usedBytes ?? 0) }
    let capacity = elements.reduce(0) { $0 + ($1.capacityBytes ?? 0) }
    let troubled = elements.filter { $0.status != .online }
    return Tag.ul(.class("tiles"), .label(t(.keyFigures))) {
      tile(
        .storage, t(.tileStorage), overview.elements == nil ? "—" : "\(online) / \(elements.count)",
        note: t(.tileStorageNote), link: "/storage-elements")
      tile(
        .files, t(.tileDocuments), overview.totals.map { format.count($0.active) } ?? "—",
        note: overview.totals.map { format.size($0.bytes) } ?? t(.notAvailable), link: "/files")
      tile(
        .inbox, t(.tileUsed), overview.elements == nil ? "—" : format.size(used),
        note: t(.ofTotal, format.size(capacity)), link: "/storage-elements")
      tile(
        troubled.isEmpty ? .shield : .warning, t(.tileAttention),
        overview.elements == nil ? "—" : format.count(troubled.count),
        note: troubled.isEmpty ? t(.allWell) : troubled.prefix(3).map(\.name).joined(separator: ", "),
        link: "/storage-elements", tone: troubled.isEmpty ? .good : .bad)
    }
  }

  private func tile(
    _ name: Icon, _ label: String, _ value: String, note: String, link: Link, tone: Tone = .info
  ) -> HTML {
    Tag.li {
      Tag.a(.class("tile tile-\(tone.rawValue)"), .href(link)) {
        Tag.span(.class("tile-label")) {
          icon(name)
          Tag.span(label)
        }
        Tag.span(value, .class("tile-value"))
        Tag.span(note, .class("tile-note"), Attribute("dir", "auto"))
      }
    }
  }

  func capacityCard(_ elements: [StorageElement]?) -> HTML {
    card(t(.capacity), icon: .storage) {
      if let elements, !elements.isEmpty {
        Tag.ul(.class("capacity-list")) {
          for element in elements {
            Tag.li {
              Tag.div(.class("capacity-line")) {
                Tag.a(.href("/storage-elements/\(element.id)")) { name(element.name) }
                modeBadge(element.mode)
                statusBadge(element.status)
              }
              capacityBar(element)
            }
          }
        }
      } else if elements != nil {
        empty(.storage, t(.noStorageTitle), t(.noStorageText)) {
          if canWrite { linkButton(t(.addStorage), "/storage-elements/claim", icon: .add) }
        }
      } else {
        alert(.warning, t(.partUnavailable))
      }
    }
  }

  func capacityBar(_ element: StorageElement) -> HTML {
    HTML {
      if let used = element.usedBytes, let capacity = element.capacityBytes {
        bar(used, of: capacity, label: t(.usedOf, element.name))
        Tag.div(.class("bar-text")) {
          Tag.span(t(.usedOfTotal, format.size(used), format.size(capacity)))
          Tag.span(format.percentText(used, of: capacity))
        }
      } else {
        Tag.div(t(.notYetContacted), .class("bar-text"))
      }
    }
  }

  func tasksCard(_ tasks: [TaskState]?) -> HTML {
    card(t(.backgroundTasks), icon: .tasks) {
      if let tasks, !tasks.isEmpty {
        Tag.ul(.class("task-list")) {
          for task in tasks {
            Tag.li {
              Tag.div(.class("task-line")) {
                Tag.span(task.name, .class("task-name"))
                if task.lastRunAt == nil {
                  badge(t(.taskWaiting), .neutral)
                } else {
                  badge(task.hasFailed ? t(.taskFailed) : t(.taskOK), task.hasFailed ? .bad : .good)
                }
              }
              if let result = task.lastResult { Tag.div(result, .class("task-result user-text")) }
              Tag.div(.class("task-times")) {
                t(.lastRun) + " "
                time(task.lastRunAt)
                if let next = task.nextRunAt {
                  " · " + t(.nextRun) + " "
                  time(next)
                }
              }
            }
          }
        }
      } else if tasks != nil {
        empty(.tasks, t(.noTasksTitle), t(.noTasksText))
      } else {
        alert(.warning, t(.partUnavailable))
      }
    }
  }

  func recentCard(_ recent: [FileRecord]?) -> HTML {
    card(t(.recentUploads), icon: .clock) {
      if let recent, !recent.isEmpty {
        fileTable(recent, caption: t(.recentUploads))
      } else if recent != nil {
        empty(.files, t(.noFilesTitle), t(.noFilesText)) {
          if canWrite { linkButton(t(.uploadDocuments), "/files/upload", icon: .upload) }
        }
      } else {
        alert(.warning, t(.partUnavailable))
      }
    }
  }

  func modeBadge(_ mode: ApplianceMode) -> HTML {
    Tag.span(mode.rawValue, .class("pill pill-mode"), Attribute("title", t(.description(of: mode))))
  }

  func statusBadge(_ status: StorageStatus) -> HTML {
    switch status {
    case .online: badge(t(.statusOnline), .good)
    case .offline: badge(t(.statusOffline), .bad)
    case .degraded: badge(t(.statusDegraded), .warning)
    case .maintenance: badge(t(.statusMaintenance), .neutral)
    }
  }
}

extension Text {
  static func description(of mode: ApplianceMode) -> Text {
    switch mode {
    case .edit: .modeEdit
    case .rw: .modeRW
    case .ro: .modeRO
    case .ar: .modeAR
    }
  }
}
