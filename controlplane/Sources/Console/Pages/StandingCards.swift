internal import Core

/// How a site stands: on its page.
extension View {
  /// Told above everything else.
  func journalNotice(_ element: StorageElement) -> HTML {
    guard let problem = element.standing?.journalProblem else { return .empty }
    return HTML {
      alert(.bad, title: t(.journalRewritten), t(.journalRewrittenText))
      Tag.p(problem, .class("user-text"))
    }
  }

  func standingCard(_ standing: SiteStanding) -> HTML {
    card(t(.standing), icon: .info) {
      facts(
        [
          (t(.answeredPolls), HTML(standing.answeredShare.map { format.percentText(Int($0 * 1000), of: 1000) } ?? "—")),
          (t(.aloneFor), aloneFor(standing)),
        ]
          + standing.terms.map { (t(Self.text(ofReason: $0.reason)), HTML(t(.days, format.count($0.days)))) }
          + [(t(.journalPinned), journal(standing))])
    }
  }

  /// The line of what was used, what it means in words, and when that ends.
  func trend(_ element: StorageElement) -> HTML {
    guard let standing = element.standing else { return .empty }
    return HTML {
      if let first = standing.points.first, let last = standing.points.last, first.at < last.at {
        chart(
          standing.points,
          label: t(
            .trendFromTo, format.size(first.usedBytes), format.date(first.at), format.size(last.usedBytes),
            format.date(last.at)))
      }
      if let pace = standing.bytesPerDay {
        Tag.p(t(pace < 0 ? .emptiesBy : .growsBy, format.size(Int(abs(pace).rounded()))), .class("mb-0"))
        if let days = element.daysToFull {
          Tag.p("\(t(.daysToFull)) \(t(.days, format.count(days)))", .class("mb-0"))
        }
      } else {
        Tag.p(t(.trendUnknown), .class("mb-0"))
      }
    }
  }

  private func aloneFor(_ standing: SiteStanding) -> HTML {
    guard let first = standing.terms.first else { return HTML("—") }
    return badge(t(.days, format.count(first.days)), first.days < 7 ? .bad : first.days < 14 ? .warning : .good)
  }

  private func journal(_ standing: SiteStanding) -> HTML {
    if standing.journalProblem != nil { return badge(t(.journalNotPinned), .bad) }
    guard let checked = standing.journalCheckedAt else { return HTML(t(.journalUnchecked)) }
    return HTML {
      badge(t(.journalSound), .good)
      " "
      time(checked)
    }
  }

  /// A line over time, from the least to the most; its meaning stands in `label`.
  private func chart(_ points: [SiteStanding.Point], label: String) -> HTML {
    let (width, height, edge) = (600.0, 120.0, 6.0)
    let start = points[0].at
    let span = max(1, points[points.count - 1].at.since(start).inSeconds)
    let low = points.reduce(Int.max) { min($0, $1.usedBytes) }
    let range = Double(points.reduce(0) { max($0, $1.usedBytes) } - low)
    let line = points.map { point in
      let x = point.at.since(start).inSeconds / span * width
      let share = range > 0 ? Double(point.usedBytes - low) / range : 0.5
      return "\(Int(x)) \(Int(height - edge - share * (height - 2 * edge)))"
    }.joined(separator: "L")
    return Tag.svg(
      .class("trend"), Attribute("viewBox", "0 0 600 120"), Attribute("preserveAspectRatio", "none"), .role("img"),
      .label(label)
    ) {
      Tag.path(.class("trend-area"), Attribute("d", "M0 120L\(line)L600 120Z"))
      Tag.path(.class("trend-line"), Attribute("d", "M\(line)"))
    }
  }

  private static func text(ofReason reason: String) -> Text {
    switch reason {
    case "certificate": .aloneCertificate
    case "local_clients": .aloneLocalClients
    case "change_log": .aloneChangeLog
    default: .aloneKeyBundle
    }
  }
}
