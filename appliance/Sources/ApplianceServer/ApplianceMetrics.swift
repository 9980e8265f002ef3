internal import Core
internal import Crypto
internal import HTTPServer
internal import StorageAPI
internal import Store
internal import Telemetry

/// The front's figures, read from the store when somebody asks for `/metrics`.
struct ApplianceMetrics {
  static func register(
    in registry: MetricsRegistry, store: Store, onboarding: Onboarding, readiness: Readiness, time: any TimeSource
  ) {
    func figure(_ name: String, _ help: String, _ read: @escaping @Sendable (StoreSummary) -> Double) {
      registry.gauge(name, help: help) { read(store.summary) }
    }
    func counter(_ name: String, _ help: String, _ read: @escaping @Sendable (StoreSummary) -> Double) {
      registry.reading(name, help: help, as: .counter) { [MetricSample(read(store.summary))] }
    }
    registry.gauge("se_up", help: "1 while the process answers") { 1 }
    registry.gauge("se_ready", help: "1 when no readiness check fails") {
      readiness.checks().contains { $0.status == .fail } ? 0 : 1
    }
    registry.gauge("se_certificate_expiry_seconds", help: "Seconds until the shown certificate expires") {
      onboarding.identity.certificate.notAfter.since(time.now()).inSeconds
    }
    registry.gauge("se_clock_offset_seconds", help: "Control plane's clock minus ours at the last contact") {
      Double(onboarding.trust.clockState.offsetMilliseconds) / 1000
    }
    registry.gauge("se_claimed", help: "1 once a control plane has claimed this appliance") {
      onboarding.isClaimed ? 1 : 0
    }
    // The contract's name; the figure goes down when documents are removed, so it is no counter.
    registry.reading("se_files_total", help: "Documents by status", as: .untyped, labels: ["status"]) {
      let counts = store.summary.counts
      return StorageAPI.FileStatus.allCases.map { status in
        MetricSample(Double(counts[status]?.files ?? 0), labels: [status.rawValue])
      }
    }
    figure("se_capacity_bytes", "Bytes this appliance may hold") { Double($0.totalBytes) }
    figure("se_used_bytes", "Bytes of documents held") { Double($0.usedBytes) }
    figure("se_available_bytes", "Bytes that uploads may still take") { Double($0.availableBytes) }
    figure("se_free_ratio", "Share of the capacity that is free") {
      Double($0.availableBytes) / Double(max($0.totalBytes, 1))
    }
    figure("se_wal_last_lsn", "LSN of the last change") { Double($0.lastLSN) }
    figure("se_wal_checkpoint_lsn", "LSN up to which every document is in place") { Double($0.checkpointLSN) }
    figure("se_unplaced_bytes", "Bytes acknowledged and not yet in place") { Double($0.unplacedBytes) }
    figure("se_index_waiting_changes", "Changes that are not in the index's file yet") { Double($0.waitingChanges) }
    figure("se_index_stalled", "1 while the index's disk takes no changes") { $0.indexTrouble == nil ? 0 : 1 }
    figure("se_read_only", "1 when the store stopped writing after an I/O error") { $0.readOnlyReason == nil ? 0 : 1 }
    counter("se_wal_records_total", "Journal records written since the start") { Double($0.journal.records) }
    counter("se_wal_batches_total", "Journal batches, each one sync, since the start") { Double($0.journal.batches) }
    counter("se_wal_written_bytes_total", "Journal bytes written since the start") { Double($0.journal.bytes) }
    counter("se_journal_errors_total", "I/O errors that ended writing: the first is final") {
      $0.readOnlyReason == nil ? 0 : 1
    }
  }
}
