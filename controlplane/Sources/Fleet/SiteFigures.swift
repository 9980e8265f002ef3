internal import Catalogue
internal import Core
internal import Synchronization
internal import Telemetry

/// What monitoring sees of each site, as this process last looked. Names are the administrators' own; there are never
/// more sites than `sitesMax`.
final class SiteFigures: Sendable {
  private struct State {
    var views: [StorageElementView] = []
    var daysToFull: [FileID: Double] = [:]
  }

  private let state = Mutex(State())
  static let sitesMax = 1000

  init(_ metrics: MetricsRegistry) {
    figure(metrics, "cp_site_reachable", "1 when the site answered the last poll") { view, _ in
      view.element.status == .offline ? 0 : 1
    }
    figure(metrics, "cp_site_clock_offset_seconds", "How far the site's clock is ahead") { view, _ in
      view.element.clockOffsetMilliseconds.map { Double($0) / 1000 }
    }
    figure(metrics, "cp_site_days_to_full", "At the pace of the last 30 days; absent while it does not fill") { $1 }
    figure(metrics, "cp_site_journal_rewritten", "1 when its journal is not what was pinned of it") { view, _ in
      view.journalProblem == nil ? 0 : 1
    }
    metrics.reading(
      "cp_site_alone_days", help: "For how many days the site can be left without contact, by what ends then",
      labels: ["site", "reason"]
    ) { [weak self] in
      (self?.current.views ?? []).flatMap { view in
        view.alone.all.map { MetricSample($0.days, labels: [view.element.name, $0.reason.rawValue]) }
      }
    }
  }

  func note(_ views: [StorageElementView]) { state.withLock { $0.views = Array(views.prefix(Self.sitesMax)) } }

  func note(daysToFull: [FileID: Double]) { state.withLock { $0.daysToFull = daysToFull } }

  private var current: State { state.withLock { $0 } }

  /// `read` gets a site and its days to full; what it does not know is left out.
  private func figure(
    _ metrics: MetricsRegistry, _ name: String, _ help: String,
    _ read: @escaping @Sendable (StorageElementView, Double?) -> Double?
  ) {
    metrics.reading(name, help: help, labels: ["site"]) { [weak self] in
      guard let state = self?.current else { return [] }
      return state.views.compactMap { view in
        read(view, state.daysToFull[view.element.id]).map { MetricSample($0, labels: [view.element.name]) }
      }
    }
  }
}

extension FleetService {
  /// The health job: polls every site, and says to monitoring how they stand.
  func pollSites() async throws -> String {
    let said = try await health.pollAll()
    figures.note(try await registry.views(try await registry.list()))
    return said
  }

  /// The history job: forgets what is old, and looks how sites fill.
  func tidyHistory() async throws -> String {
    let said = try await health.tidyHistory()
    var days: [FileID: Double] = [:]
    for element in try await registry.list().prefix(SiteFigures.sitesMax) {
      days[element.id] = try await registry.capacityTrend(element.id).daysToFull
    }
    figures.note(daysToFull: days)
    return said
  }
}
