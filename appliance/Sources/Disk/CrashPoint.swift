/// The named steps around each sync and rename of the engine, in the order in which an upload meets them. The disk is
/// told when one is reached; the simulation cuts the power there and fails when one of these was never met.
public enum CrashPoint: String, Sendable, CaseIterable, Hashable {
  case stagingWritten
  case stagingSynced
  case stagingDirectorySynced
  case batchWritten
  case batchSynced
  case documentPlaced
  case attributesWritten
  case attributesPlaced
  case indexCommitted
  case documentRemoved
  case attributesRemoved
  case fileSystemSynced
  case checkpointCommitted
  case indexDurable
  case segmentSealed
  case segmentCreated
  case segmentDirectorySynced
  case archiveWritten
  case archiveRenamed
  case archiveVerified
  case segmentRemoved
  case archivePruned
  case recoveryCopied
  case recoveryRenamed
  case recoveryRedone
  case stateWritten
  case stateRenamed
}
