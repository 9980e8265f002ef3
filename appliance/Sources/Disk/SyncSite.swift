/// The engine's syncs, one name for each place in the sources that calls one. Every call says which it is, so that a
/// simulated disk can leave out exactly that one: a sync whose absence nothing notices is not known to be needed.
///
/// A name stands at one place only; the tests look for it in the sources, and require that the simulation catches the
/// absence of each.
public enum SyncSite: String, Sendable, CaseIterable, Hashable {
  /// A batch in the active segment: what an acknowledgement rests on.
  case journalBatch
  /// The active segment after a batch that a full disk refused was cut off again, before the refusal is told.
  case batchTakenBack
  /// A segment (new, or copied by recovery) or a torn tail before it gets its name.
  case segmentBytes
  /// The journal's directory after that.
  case segmentName
  /// The active segment where it lies, by a recovery that has no room for a copy.
  case segmentConfirmed
  /// The journal's directory after an archived segment's raw file was removed.
  case segmentRemoval
  /// An archived segment before it gets its name.
  case archiveBytes
  /// The archive's directory after that.
  case archiveName
  /// A large document in staging, before its record is written.
  case stagingBytes
  /// The staging directory, likewise.
  case stagingName
  /// The tree's file system, before a checkpoint says that it is durable.
  case treeCheckpoint
  /// The same after recovery has put things in place.
  case treeRedone
  /// A small state file before it gets its name.
  case stateBytes
  /// Its directory after that.
  case stateName
  /// The parent of a directory that was made.
  case directoryMade
  /// The parent of an hour's directory, before documents are moved into that.
  case documentDirectory
  /// The quarantine after something was set aside.
  case quarantineName
  /// The index, before journal segments go that it could be brought up to date from.
  case indexDurable
  /// A segment's file of zeros, made ahead by a thread of its own, before it is used.
  case spareBytes
  /// The journal's directory after the disk was too full to begin a segment in such a file, whose name then goes.
  case segmentNotBegun
  /// The journal's directory after such a file got the name of the segment to come.
  case spareName
  /// A piece of a resumable upload, before its offset is promised.
  case uploadPieceBytes
  /// The staging directory after what unfinished uploads left was tidied up at the start.
  case ledgersTidied
  /// A document in an export. Not the store's: an export that ends well is durable, nothing else rests on it.
  case exportBytes
  /// The index's directory after its files were removed on request. Not the store's: an index that comes back with a
  /// power cut is judged like any other.
  case indexRemoval

  /// Those whose absence the simulation does not notice: the two that are not the store's; the thread that makes
  /// segments ahead and resumable uploads, which have tests of their own; two that need a full disk at one moment and
  /// have tests of their own (a refused batch, a start without room for a copy), and one that needs a disk which is too
  /// full for bytes that it has room for, just then; and two removals that lose nothing when a power cut undoes them (a
  /// raw segment beside its archive, a stray file back where it was, to be set aside again).
  public static let notSimulated: Set<SyncSite> = [
    .segmentRemoval, .quarantineName, .segmentNotBegun, .segmentConfirmed, .exportBytes, .indexRemoval, .spareBytes,
    .batchTakenBack, .uploadPieceBytes, .ledgersTidied,
  ]

  /// Those whose absence the simulation must notice.
  public static let simulated = allCases.filter { !notSimulated.contains($0) }
}
