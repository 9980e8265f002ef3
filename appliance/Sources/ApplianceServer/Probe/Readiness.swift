public import Core
internal import Crypto
internal import HTTP
public import HTTPServer
internal import StorageAPI
public import Store

/// Whether this appliance can do its work, check by check.
public struct Readiness: Sendable {
  private let store: Store
  private let onboarding: Onboarding
  private let time: any TimeSource

  /// Below this share of free room the disk check warns.
  static let freeShareMin = 0.05
  static let certificateWarning = Duration.seconds(14 * 86_400)

  public init(store: Store, onboarding: Onboarding, time: any TimeSource) {
    self.store = store
    self.onboarding = onboarding
    self.time = time
  }

  public func checks() -> [ReadinessCheck] {
    let summary = store.summary
    return [storeCheck(summary), indexCheck(summary), diskCheck(summary)] + identityChecks()
  }

  private func storeCheck(_ summary: StoreSummary) -> ReadinessCheck {
    guard let reason = summary.readOnlyReason else {
      return ReadinessCheck("store", .ok, "writable, mode \(summary.mode)")
    }
    return ReadinessCheck("store", .fail, "read-only since an I/O error: \(reason); replace the disk and restart")
  }

  private func indexCheck(_ summary: StoreSummary) -> ReadinessCheck {
    switch (summary.index, summary.indexTrouble) {
    case (.ready, nil): ReadinessCheck("index", .ok, "ready")
    case (.ready, let trouble?):
      ReadinessCheck(
        "index", .degraded,
        "takes no changes: \(trouble); \(summary.waitingChanges) wait, uploads are refused; both go on by themselves")
    case (.rebuilding(let files), _): ReadinessCheck("index", .degraded, "being rebuilt, \(files) files so far")
    case (.failed(let reason), _):
      ReadinessCheck(
        "index", .fail, "failed: \(reason); if it does not come back by itself, look at its disk and restart")
    }
  }

  private func diskCheck(_ summary: StoreSummary) -> ReadinessCheck {
    let share = Double(summary.availableBytes) / Double(max(summary.totalBytes, 1))
    if summary.availableBytes <= 0 {
      return ReadinessCheck("disk", .degraded, "full: uploads are refused, reads go on")
    }
    let text = "\(summary.availableBytes) bytes for documents, \(Int(share * 100)) %"
    return ReadinessCheck("disk", share < Self.freeShareMin ? .degraded : .ok, text)
  }

  private func identityChecks() -> [ReadinessCheck] {
    let certificate = onboarding.identity.certificate
    let now = time.now()
    let expiry =
      if certificate.notAfter <= now {
        ReadinessCheck("certificate", .fail, "expired at \(certificate.notAfter)")
      } else if certificate.notAfter <= now + Self.certificateWarning {
        ReadinessCheck("certificate", .degraded, "expires at \(certificate.notAfter)")
      } else {
        ReadinessCheck("certificate", .ok, "valid until \(certificate.notAfter)")
      }
    let claim =
      onboarding.isClaimed
      ? ReadinessCheck("claim", .ok, "claimed")
      : ReadinessCheck("claim", .degraded, "not claimed yet: run artstore-appliance claim-code")
    let clock = onboarding.trust.clockState
    let clockCheck = ReadinessCheck(
      "clock", clock.trusted ? .ok : .degraded, "\(clock.offsetMilliseconds) ms from the control plane's")
    return [expiry, claim, clockCheck]
  }
}
