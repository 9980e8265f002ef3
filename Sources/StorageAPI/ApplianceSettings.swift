public import Core

/// What the fleet may set on an appliance from afar. A member left out stays as it was; unknown ones are refused,
/// because a typing error would change the meaning.
public struct ApplianceSettings: Sendable, Hashable, Codable {
  /// The name administrators gave the appliance; 1–100 characters.
  public var displayName: String?
  /// How far the clock may differ from the control plane's before documents stop expiring; seconds, 1–86,400.
  public var clockToleranceSeconds: Int?
  /// No expiry, no removal, no reconcile, no scrub until it is false again; passes go on where they were.
  public var upkeepPaused: Bool?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case displayName = "display_name"
    case clockToleranceSeconds = "clock_tolerance_seconds"
    case upkeepPaused = "upkeep_paused"
  }

  public static let names = Set(CodingKeys.allCases.map(\.rawValue))

  public init(displayName: String? = nil, clockToleranceSeconds: Int? = nil, upkeepPaused: Bool? = nil) {
    self.displayName = displayName
    self.clockToleranceSeconds = clockToleranceSeconds
    self.upkeepPaused = upkeepPaused
  }

  /// This, with what `newer` says instead where it says something.
  public func updated(by newer: ApplianceSettings) -> ApplianceSettings {
    ApplianceSettings(
      displayName: newer.displayName ?? displayName,
      clockToleranceSeconds: newer.clockToleranceSeconds ?? clockToleranceSeconds,
      upkeepPaused: newer.upkeepPaused ?? upkeepPaused)
  }
}

/// Body of `PUT /time`: the control plane's clock as it sends, and the same signed.
public struct TimeDelivery: Sendable, Hashable, Codable {
  public var time: Timestamp
  /// A `SignedTime` by the fleet's trust key; an appliance that was claimed believes nothing else.
  public var signed: SignedMessage?

  public init(time: Timestamp, signed: SignedMessage? = nil) {
    self.time = time
    self.signed = signed
  }
}

/// "When your clock said `applianceTime`, ours said `time`": an answer to one reading of one appliance's clock, so that
/// it cannot be used later or elsewhere.
public struct SignedTime: Sendable, Hashable, Codable {
  /// Always `time`: keeps another signed document from being taken for one.
  public var kind: String
  public var storageID: String
  public var applianceTime: Timestamp
  public var time: Timestamp

  public static let kindName = "time"
  /// How old the reading may be, by the appliance's own clock.
  public static let ageMax = Duration.seconds(120)

  enum CodingKeys: String, CodingKey {
    case kind, time
    case storageID = "storage_id"
    case applianceTime = "appliance_time"
  }

  public init(storageID: String, applianceTime: Timestamp, time: Timestamp) {
    kind = Self.kindName
    self.storageID = storageID
    self.applianceTime = applianceTime
    self.time = time
  }
}

/// How the appliance's clock stands; answer to `PUT /time` and a member of `/info`.
public struct ClockState: Sendable, Hashable, Codable {
  public var time: Timestamp
  /// The control plane's clock minus ours at the last delivery; milliseconds.
  public var offsetMilliseconds: Int64
  public var trusted: Bool

  enum CodingKeys: String, CodingKey {
    case time, trusted
    case offsetMilliseconds = "offset_ms"
  }

  public init(time: Timestamp, offsetMilliseconds: Int64, trusted: Bool) {
    self.time = time
    self.offsetMilliseconds = offsetMilliseconds
    self.trusted = trusted
  }
}

/// Body of `PUT /identity` (empty: send me a CSR) and its answer.
public struct IdentityRenewal: Sendable, Codable {
  /// PEM chain for the appliance's key.
  public var certificate: String?

  public init(certificate: String? = nil) { self.certificate = certificate }
}

public struct IdentityAnswer: Sendable, Codable {
  public var csr: String?
  public var notAfter: Timestamp?

  enum CodingKeys: String, CodingKey {
    case csr
    case notAfter = "not_after"
  }

  public init(csr: String? = nil, notAfter: Timestamp? = nil) {
    self.csr = csr
    self.notAfter = notAfter
  }
}
