internal import Core
internal import StorageAPI

/// Storage elements as the pages need them. `ConsoleServices` puts Fleet behind it; tests put a fake.
protocol ConsoleFleet: Sendable {
  func storageElements() async throws -> [StorageElement]
  /// Nil when there is none with this id.
  func storageElement(_ id: String) async throws -> StorageElement?
  /// Asks the address who answers there, without claiming it.
  func discover(url: String, actor: Person) async throws -> Discovery
  func claim(_ claim: ClaimForm, actor: Person) async throws -> StorageElement
  func sync(_ id: String, actor: Person) async throws -> SyncSummary
  func transition(_ id: String, to mode: ApplianceMode, actor: Person) async throws
  func update(_ id: String, name: String, priority: Int, actor: Person) async throws
  func acceptLoss(_ id: String, actor: Person) async throws
  func remove(_ id: String, force: Bool, actor: Person) async throws
  /// What works in the background, with its last result.
  func tasks() async throws -> [TaskState]
}

enum StorageStatus: String, CaseIterable, Sendable {
  case online, offline, degraded, maintenance

  /// What an appliance reports that we do not know is at least not well.
  init(reported text: String) { self = StorageStatus(rawValue: text) ?? .degraded }
}

struct StorageElement: Sendable {
  var id: String
  var name: String
  var url: String
  var storageID: String
  var mode: ApplianceMode
  var status: StorageStatus
  /// Bytes; nil before the first contact.
  var capacityBytes: Int?
  var usedBytes: Int?
  var availableBytes: Int?
  /// Lower is filled first.
  var priority: Int
  var lastSyncAt: Timestamp?
  var lastFileSyncAt: Timestamp?
  var provenEqualAt: Timestamp?
  var clockOffsetMilliseconds: Int?
  var isClockWrong = false
  var certificateExpiresAt: Timestamp?
  var createdAt: Timestamp?
  /// Why it is not online, for a person.
  var problem: String?
  /// Why the last sync did not end well; nil when it did.
  var syncFault: String?
  /// A sync found so much missing that an administrator has to accept it first.
  var isLossHeld = false
  /// Only where one element is asked for.
  var certificateRevokedAt: Timestamp?
  var certificateRevokedReason: String?
  /// At the pace of the last month; nil when it does not grow.
  var daysToFull: Int?
  /// Only where one element is asked for.
  var standing: SiteStanding?
}

struct Discovery: Sendable {
  var url: String
  var storageID: String
  var version: String
  var mode: ApplianceMode
  /// Its name here, if it is registered already: claiming it again needs a new code from its host.
  var knownAs: String?
  /// It says that it is of this fleet: registering it takes no code.
  var isClaimed = false
}

struct ClaimForm: Sendable {
  var name = ""
  var url = ""
  var claimCode = ""
  var priority = 100
}

struct SyncSummary: Sendable {
  var added: Int
  var updated: Int
  /// Deleted there, or not found any more.
  var deleted: Int
  var unchanged: Int
}

struct TaskState: Sendable {
  var name: String
  var lastRunAt: Timestamp?
  var lastResult: String?
  var hasFailed: Bool
  var nextRunAt: Timestamp?
}
