public import Core
public import Journal
public import StorageAPI

// Payloads of the journal's records that change the store. Integers little-endian; `short` and `long` byte strings
// carry their count in 2 and 4 bytes. All begin with the same head:
//
//   16 document id (zeros for `mode` and `note`) · 8 time, microseconds since 1970 · 1 reason · short subject · short
//   trace
//
//   put         head · short storage path · 1 body kind · short staging name · long attr.json · long body
//   attributes  head · short storage path · long attr.json
//   purge       head · short storage path
//   mode        head · short previous · short current
//   note        head · long text
//
// `attr.json` is the whole file, so that the newest record alone restores a document's attributes.

/// What a journal record does to the store.
public struct Mutation: Sendable {
  public let id: FileID
  public let time: Timestamp
  public let reason: Reason
  public let subject: String
  public let traceID: String
  public let change: Change

  /// Why. The numbers are part of the format.
  public enum Reason: UInt8, Sendable, CaseIterable {
    case upload = 1
    case patch = 2
    case delete = 3
    case expire = 4
    case purge = 5
    case repair = 6
    case transition = 7
    case adopt = 8
  }

  public enum Change: Sendable {
    case put(path: String, body: Body, attributes: ArraySlice<UInt8>)
    case attributes(path: String, attributes: ArraySlice<UInt8>)
    case purge(path: String)
    case mode(previous: ApplianceMode, current: ApplianceMode)
    case note(String)
  }

  /// Where a new document's bytes are.
  public enum Body: Sendable {
    case inline(ArraySlice<UInt8>)
    /// The name of a file in `staging/`.
    case staged(String)
  }

  package var type: RecordType {
    switch change {
    case .put: .put
    case .attributes: .attributes
    case .purge: .purge
    case .mode: .mode
    case .note: .note
    }
  }

  package func write(to writer: inout BinaryWriter) {
    writer.raw(id.bytes)
    writer.uint64(UInt64(bitPattern: time.microseconds))
    writer.uint8(reason.rawValue)
    writer.short(subject.utf8)
    writer.short(traceID.utf8)
    switch change {
    case .put(let path, let body, let attributes):
      writer.short(path.utf8)
      switch body {
      case .inline(let bytes):
        writer.uint8(1)
        writer.short(EmptyCollection())
        writer.long(attributes)
        writer.long(bytes)
      case .staged(let name):
        writer.uint8(2)
        writer.short(name.utf8)
        writer.long(attributes)
        writer.long(EmptyCollection())
      }
    case .attributes(let path, let attributes):
      writer.short(path.utf8)
      writer.long(attributes)
    case .purge(let path):
      writer.short(path.utf8)
    case .mode(let previous, let current):
      writer.short(previous.rawValue.utf8)
      writer.short(current.rawValue.utf8)
    case .note(let text):
      writer.long(text.utf8)
    }
  }

  /// Reads a payload; nil when it is none (a sound record of another writer). Control records are no mutations.
  public init?(_ record: Record) {
    var reader = BinaryReader(record.payload)
    guard let bytes = reader.raw(16), let id = FileID(bytes: bytes), let time = reader.uint64(),
      let reason = reader.uint8().flatMap(Reason.init(rawValue:)), let subject = reader.short(),
      let trace = reader.short(), let change = Change(record.type, &reader), reader.isAtEnd
    else { return nil }
    self.init(
      id: id, time: Timestamp(microseconds: Int64(bitPattern: time)), reason: reason,
      subject: String(decoding: subject, as: UTF8.self), traceID: String(decoding: trace, as: UTF8.self), change: change
    )
  }

  init(id: FileID, time: Timestamp, reason: Reason, subject: String, traceID: String, change: Change) {
    self.id = id
    self.time = time
    self.reason = reason
    self.subject = subject
    self.traceID = traceID
    self.change = change
  }
}

extension Mutation.Change {
  fileprivate init?(_ type: RecordType, _ reader: inout BinaryReader) {
    func text(_ bytes: ArraySlice<UInt8>?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
    switch type {
    case .put:
      guard let path = text(reader.short()), let kind = reader.uint8(), let name = text(reader.short()),
        let attributes = reader.long(), let body = reader.long()
      else { return nil }
      switch kind {
      case 1: self = .put(path: path, body: .inline(body), attributes: attributes)
      case 2: self = .put(path: path, body: .staged(name), attributes: attributes)
      default: return nil
      }
    case .attributes:
      guard let path = text(reader.short()), let attributes = reader.long() else { return nil }
      self = .attributes(path: path, attributes: attributes)
    case .purge:
      guard let path = text(reader.short()) else { return nil }
      self = .purge(path: path)
    case .mode:
      guard let previous = text(reader.short()).flatMap(ApplianceMode.init(rawValue:)),
        let current = text(reader.short()).flatMap(ApplianceMode.init(rawValue:))
      else { return nil }
      self = .mode(previous: previous, current: current)
    case .note:
      guard let note = text(reader.long()) else { return nil }
      self = .note(note)
    case .batch, .attestation, .incarnation, .checkpoint:
      return nil
    }
  }
}

/// The payload of a checkpoint record: 8 bytes LSN, 2 bytes mode text's count and the mode, 4 bytes count of
/// incarnations, then 16 bytes each (id, LSN), oldest first.
public struct Checkpoint: Sendable, Hashable {
  /// Everything up to here is in place and durable without the journal.
  public let lsn: UInt64
  public let mode: ApplianceMode
  public let incarnations: [Incarnation]

  /// How many starts a cursor may be old.
  static let incarnationsMax = 256

  init(lsn: UInt64, mode: ApplianceMode, incarnations: [Incarnation]) {
    self.lsn = lsn
    self.mode = mode
    self.incarnations = incarnations
  }

  package func write(to writer: inout BinaryWriter) {
    writer.uint64(lsn)
    writer.short(mode.rawValue.utf8)
    let kept = incarnations.suffix(Self.incarnationsMax)
    writer.uint32(UInt32(kept.count))
    for incarnation in kept {
      writer.uint64(incarnation.id)
      writer.uint64(incarnation.firstLSN)
    }
  }

  package init?(_ payload: ArraySlice<UInt8>) {
    var reader = BinaryReader(payload)
    guard let lsn = reader.uint64(), let name = reader.short(),
      let mode = ApplianceMode(rawValue: String(decoding: name, as: UTF8.self)), let count = reader.uint32(),
      count <= Self.incarnationsMax
    else { return nil }
    var incarnations: [Incarnation] = []
    for _ in 0..<count {
      guard let id = reader.uint64(), let first = reader.uint64() else { return nil }
      incarnations.append(Incarnation(id: id, firstLSN: first))
    }
    self.init(lsn: lsn, mode: mode, incarnations: incarnations)
  }
}
