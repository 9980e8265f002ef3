internal import ApplianceServer
internal import Crypto
internal import TLS
internal import Telemetry

/// The TLS side of both listeners, kept in step with what onboarding decides: before a claim no client certificate is
/// asked for, between claim and first contact it may be shown, afterwards it must be.
struct Listeners: Sendable {
  let api: TLSServerContext
  let probe: TLSServerContext

  init(_ onboarding: Onboarding, logger: Logger) throws {
    let first = onboarding.presentation
    api = try TLSServerContext(try Self.api(first))
    probe = try TLSServerContext(try Self.probe(first))
    let (api, probe) = (api, probe)
    onboarding.present { presentation in
      do {
        try api.reload(try Self.api(presentation))
        try probe.reload(try Self.probe(presentation))
      } catch {
        logger.error("the listeners keep their old certificate", ["error": .error(error)])
      }
    }
  }

  private static func api(_ presentation: Onboarding.Presentation) throws -> TLSServerConfiguration {
    let asked: TLSServerConfiguration.ClientCertificate =
      switch presentation.clientCertificate {
      case .none: .none
      case .optional: .optional
      case .required: .required
      }
    return TLSServerConfiguration(
      certificateChain: presentation.identity.chain, privateKey: try presentation.identity.key.pem,
      clientAuthorities: asked == .none ? nil : presentation.clientCA, clientCertificate: asked,
      clientKeyPastDates: presentation.pinnedKey, revokedClientKeys: presentation.revokedKeys)
  }

  private static func probe(_ presentation: Onboarding.Presentation) throws -> TLSServerConfiguration {
    TLSServerConfiguration(
      certificateChain: presentation.identity.chain, privateKey: try presentation.identity.key.pem)
  }
}
