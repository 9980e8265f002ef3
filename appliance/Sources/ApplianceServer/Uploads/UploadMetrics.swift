internal import Store
internal import Telemetry

/// Figures of uploads in pieces, read when somebody asks for `/metrics`.
struct UploadMetrics {
  static func register(in registry: MetricsRegistry, store: Store) {
    registry.gauge("se_uploads_unfinished", help: "Uploads in pieces that have not ended") {
      Double(store.resumableSummary.unfinished)
    }
    registry.gauge("se_uploads_reserved_bytes", help: "Bytes promised to unfinished uploads") {
      Double(store.resumableSummary.reservedBytes)
    }
    registry.gauge("se_uploads_received_bytes", help: "Bytes that have come of unfinished uploads") {
      Double(store.resumableSummary.receivedBytes)
    }
    registry.reading(
      "se_uploads_preempted_total", help: "Requests that ended because a newer one took over their upload",
      as: .counter
    ) { [MetricSample(Double(store.resumableSummary.preempted))] }
    registry.reading(
      "se_uploads_expired_total", help: "Unfinished uploads removed because nobody went on with them", as: .counter
    ) { [MetricSample(Double(store.resumableSummary.expired))] }
  }
}
