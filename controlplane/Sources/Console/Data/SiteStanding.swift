internal import Core

/// How a site has been doing, and for how long it can be left without contact.
struct SiteStanding: Sendable {
  /// What ends, and in how many days.
  struct Term: Sendable {
    var reason: String
    var days: Int
  }

  struct Point: Sendable {
    var at: Timestamp
    var usedBytes: Int
  }

  /// Of the polls of the last two days, 0 to 1; nil when there was none.
  var answeredShare: Double?
  /// The soonest first.
  var terms: [Term] = []
  var journalCheckedAt: Timestamp?
  /// What was wrong with the journal when it was last compared with what was pinned of it.
  var journalProblem: String?
  /// How full it was, oldest first.
  var points: [Point] = []
  /// Nil while too little is known.
  var bytesPerDay: Double?
}
