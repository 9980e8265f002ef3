internal import Core
internal import StorageAPI
internal import Store
internal import Telemetry

/// Figures of the store's housekeeping and of the history that is kept.
struct UpkeepMetrics {
  static func register(
    in registry: MetricsRegistry, store: Store, maintenance: any Maintenance, time: any TimeSource
  ) {
    registry.gauge("se_scrub_verified_ratio", help: "Share of the documents re-read within the configured days") {
      maintenance.scrub.verifiedRatio
    }
    registry.gauge("se_scrub_age_seconds", help: "How long the document waits that was not re-read for longest") {
      Double(maintenance.scrub.oldestSeconds)
    }
    registry.reading(
      "se_scrub_last_pass_timestamp_seconds", help: "When the last whole pass ended; absent before the first",
      as: .gauge
    ) {
      maintenance.scrub.lastPassEnded.map { [MetricSample(Double($0.microseconds) / 1e6)] } ?? []
    }
    registry.gauge("se_upkeep_paused", help: "1 while the setting upkeep_paused holds") {
      maintenance.isPaused ? 1 : 0
    }
    registry.reading(
      "se_damaged_documents", help: "Documents marked as damaged and not served, by what is wrong", as: .gauge,
      labels: ["type"]
    ) {
      let damaged = store.damaged.values
      return MaintenanceIssue.allCases.map { type in
        MetricSample(Double(damaged.count { $0 == type.rawValue }), labels: [type.rawValue])
      }
    }
    registry.gauge("se_wal_history_seconds", help: "How far back journal and archive reach") {
      guard let since = store.historyBegan else { return 0 }
      return max(0, time.now().since(since).inSeconds)
    }
  }

  /// What a document is marked with.
  private enum MaintenanceIssue: String, CaseIterable {
    case missing = "missing_file"
    case size = "size_mismatch"
    case checksum = "checksum_mismatch"
  }
}
