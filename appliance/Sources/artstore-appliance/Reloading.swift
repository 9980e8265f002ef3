internal import ApplianceServer
internal import Configuration
internal import Core
internal import Crypto
internal import Service
internal import Synchronization
internal import TLS
internal import Telemetry

/// The owner's certificate, key, client CA and key set, taken anew on SIGHUP and when a file has changed. Connections
/// that exist go on; their clients are verified again.
final class Reloading: Sendable {
  private let context: CommandContext
  private let onboarding: Onboarding
  private let logger: Logger
  private let current: Mutex<Checksum?>

  /// `own`: what the start used; nil when the appliance is to be claimed, and then there is nothing to reload.
  init(_ context: CommandContext, _ onboarding: Onboarding, _ own: OwnFiles?, logger: Logger) {
    self.context = context
    self.onboarding = onboarding
    self.logger = logger
    current = Mutex(own?.fingerprint)
  }

  /// SIGHUP: whatever has changed.
  func reload() {
    do {
      if try !reloadIfChanged() { logger.notice("nothing to reload: the certificate files are as they were") }
    } catch {
      logger.error("reload refused, the old certificates stay", ["error": .string(CommandFailure(error).text)])
    }
  }

  /// Looks at the files regularly; half-replaced ones (a new certificate beside an old key) are refused and looked at
  /// again.
  func task() -> BackgroundTask? {
    guard current.withLock({ $0 }) != nil else { return nil }
    return BackgroundTask(
      name: "certificate files", interval: context.values[Settings.reloadInterval], timeout: .seconds(60),
      logger: logger, time: context.time
    ) {
      do { return try self.reloadIfChanged() ? "reloaded" : "unchanged" } catch { throw CommandFailure(error) }
    }
  }

  /// False when the files are what is in use.
  private func reloadIfChanged() throws -> Bool {
    guard let own = try OwnFiles.load(context) else { return false }
    let isNew = current.withLock { current in
      defer { current = own.fingerprint }
      return current != own.fingerprint
    }
    guard isNew else { return false }
    onboarding.reload(identity: own.identity, clientCA: own.clientCA, keys: own.keys)
    logger.notice("certificates reloaded", ["not_after": .text(own.identity.certificate.notAfter)])
    return true
  }
}

extension Listeners {
  /// New keys for session tickets, regularly.
  func ticketKeysTask(logger: Logger, time: any TimeSource) -> BackgroundTask {
    let contexts = [api, probe]
    return BackgroundTask(
      name: "session ticket keys", interval: TLSServerContext.ticketKeyInterval, timeout: .seconds(10), logger: logger,
      time: time
    ) {
      for context in contexts { context.rotateTicketKeys() }
      return "rotated"
    }
  }
}
