/// What a record says. The numbers are part of the format: never reused, never renumbered.
public enum RecordType: UInt16, Sendable, CaseIterable {
  /// Begins a batch: how much follows, and which LSN was durable before.
  case batch = 1
  /// The last batch is durable.
  case attestation = 2
  /// A process started: its random incarnation.
  case incarnation = 3
  /// Everything up to an LSN is in place and durable without the journal.
  case checkpoint = 4
  /// A new document, its body inside (small) or in staging (large).
  case put = 16
  /// A document's attributes replaced: patch, soft delete, expiry, repair.
  case attributes = 17
  /// A document removed for good.
  case purge = 18
  /// The appliance changed its mode.
  case mode = 19
  /// Something an auditor should find: a repair, a clock offset, an adopted copy.
  case note = 20

  /// Batch headers and attestations repeat the LSN before them.
  public var takesLSN: Bool { self != .batch && self != .attestation }

  /// What an auditor looks for; starts and checkpoints are the journal's own marks.
  var isHistory: Bool { rawValue >= RecordType.put.rawValue }

  /// Kinds that say "durable up to here" about what precedes them.
  var attests: Bool { !(rawValue > RecordType.checkpoint.rawValue) && self != .incarnation }
}
