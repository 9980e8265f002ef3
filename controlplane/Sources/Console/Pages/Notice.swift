/// What has just been done, told on the page one is led to. Travels in the address as a fixed word and small numbers,
/// so that a made-up link can say nothing of its own.
enum Notice: Sendable, Equatable {
  case claimed, saved, removed, modeChanged, lossAccepted, registered, revoked, clientRemoved
  case synced(added: Int, updated: Int, deleted: Int, unchanged: Int)
  case uploaded, deleted
  case suspended, resumed, unlocked
  case passwordChanged, preferencesSaved

  private static let plain: [String: Notice] = [
    "claimed": .claimed, "saved": .saved, "removed": .removed, "mode": .modeChanged, "loss": .lossAccepted,
    "uploaded": .uploaded, "registered": .registered, "revoked": .revoked, "client-removed": .clientRemoved,
    "deleted": .deleted, "suspended": .suspended, "resumed": .resumed, "unlocked": .unlocked,
    "password": .passwordChanged, "preferences": .preferencesSaved,
  ]

  init?(word: String?, numbers: String?) {
    guard let word else { return nil }
    if word == "synced" {
      let values = (numbers ?? "").split(separator: ".").prefix(4).compactMap { Int($0) }
      guard values.count == 4, values.allSatisfy({ $0 >= 0 }) else { return nil }
      self = .synced(added: values[0], updated: values[1], deleted: values[2], unchanged: values[3])
    } else if let notice = Self.plain[word] {
      self = notice
    } else {
      return nil
    }
  }

  /// For the address.
  var items: [(name: String, value: String?)] {
    if case .synced(let added, let updated, let deleted, let unchanged) = self {
      return [("notice", "synced"), ("n", "\(added).\(updated).\(deleted).\(unchanged)")]
    }
    return [("notice", Self.plain.first { $0.value == self }?.key)]
  }
}

extension View {
  func notice(_ notice: Notice?) -> HTML? {
    guard let notice else { return nil }
    return alert(.good, text(of: notice))
  }

  private func text(of notice: Notice) -> String {
    switch notice {
    case .claimed: t(.noticeClaimed)
    case .saved: t(.noticeSaved)
    case .removed: t(.noticeRemoved)
    case .modeChanged: t(.noticeMode)
    case .lossAccepted: t(.noticeLoss)
    case .registered: t(.noticeRegistered)
    case .revoked: t(.noticeRevoked)
    case .clientRemoved: t(.noticeClientRemoved)
    case .synced(let added, let updated, let deleted, let unchanged):
      t(
        .noticeSynced, format.count(added), format.count(updated), format.count(deleted), format.count(unchanged))
    case .uploaded: t(.noticeUploaded)
    case .deleted: t(.noticeDeleted)
    case .suspended: t(.noticeSuspended)
    case .resumed: t(.noticeResumed)
    case .unlocked: t(.noticeUnlocked)
    case .passwordChanged: t(.noticePassword)
    case .preferencesSaved: t(.noticePreferences)
    }
  }
}
