public import Core

/// Body of `POST /mode/transition`.
public struct ModeTransitionRequest: Sendable, Hashable, Codable {
  public var targetMode: ApplianceMode
  /// Needed for `→ ar` and `ro → rw`.
  public var confirm: Bool

  enum CodingKeys: String, CodingKey {
    case confirm
    case targetMode = "target_mode"
  }

  public init(targetMode: ApplianceMode, confirm: Bool = false) {
    self.targetMode = targetMode
    self.confirm = confirm
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    targetMode = try fields.decode(ApplianceMode.self, forKey: .targetMode)
    confirm = try fields.decodeIfPresent(Bool.self, forKey: .confirm) ?? false
  }
}

/// Its answer.
public struct ModeTransitionAnswer: Sendable, Hashable, Codable {
  public var previousMode: ApplianceMode
  public var currentMode: ApplianceMode
  public var transitionedAt: Timestamp

  enum CodingKeys: String, CodingKey {
    case previousMode = "previous_mode"
    case currentMode = "current_mode"
    case transitionedAt = "transitioned_at"
  }

  public init(previousMode: ApplianceMode, currentMode: ApplianceMode, transitionedAt: Timestamp) {
    self.previousMode = previousMode
    self.currentMode = currentMode
    self.transitionedAt = transitionedAt
  }
}
