public import Core
public import Disk
public import Journal

/// `artstore-appliance journal …`: what the journal holds, in words and as JSON. Takes no lock: it only reads, and a
/// running store only appends.
public struct OfflineJournal: Sendable {
  public let inspection: JournalInspection

  public init(_ configuration: StoreConfiguration, disk: any Disk) throws(StoreError) {
    let state = StateFiles(disk: disk, directory: "\(configuration.dataDirectory)/state")
    guard let identity = try state.identity() else {
      throw .invalid("\(configuration.dataDirectory) holds no store; run `artstore-appliance init` first")
    }
    do throws(JournalError) {
      inspection = try JournalInspection(
        JournalConfiguration(
          directory: configuration.journalDirectory, appliance: identity.storageID, epoch: identity.epoch),
        disk: disk)
    } catch {
      throw .journal(error)
    }
  }

  /// One change of a document's history.
  public struct Entry: Sendable, Hashable {
    public let lsn: UInt64
    public let segment: UInt64
    public let time: Timestamp
    public let reason: String
    public let subject: String
    public let traceID: String
    public let path: String
    /// The attributes as they stood after it; nil for a removal.
    public let attributes: [UInt8]?

    /// The document came into being by it.
    public var isUpload: Bool { reason == "\(Mutation.Reason.upload)" }

    /// One object.
    public var json: [UInt8] {
      JSONWriter.document { json in
        json.object { json in
          json.member("lsn", lsn)
          json.member("segment", segment)
          json.member("time", time)
          json.member("reason", reason)
          json.member("subject", subject)
          json.member("trace_id", traceID)
          json.member("path", path)
          json.key("attributes")
          if let attributes { json.raw(attributes) } else { json.null() }
        }
      }
    }
  }

  /// Everything that happened to a document, oldest first, as far back as history goes.
  public func history(of id: FileID) throws(StoreError) -> [Entry] {
    var entries: [Entry] = []
    do throws(JournalError) {
      try inspection.read { segment, record in
        guard record.type.rawValue >= RecordType.put.rawValue, let mutation = Mutation(record), mutation.id == id
        else { return }
        let (path, attributes) = mutation.places
        entries.append(
          Entry(
            lsn: record.lsn, segment: segment, time: mutation.time, reason: "\(mutation.reason)",
            subject: mutation.subject, traceID: mutation.traceID, path: path, attributes: attributes.map(Array.init)))
      }
    } catch {
      throw .journal(error)
    }
    return entries
  }

  /// LSN up to which history was pruned; 0 when it is whole.
  public func floor() throws(StoreError) -> UInt64 {
    do throws(JournalError) { return try inspection.floor() } catch { throw .journal(error) }
  }

  /// The chain, segment by segment.
  public func verify(
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(StoreError) -> JournalInspection.Verification {
    do throws(JournalError) { return try inspection.verify(progress: progress) } catch { throw .journal(error) }
  }
}

extension JournalInspection.Verification {
  /// `{"sound","problems":[…],"segments":[{…}]}`.
  public var json: [UInt8] {
    JSONWriter.document { json in
      json.object { json in
        json.member("sound", isSound)
        json.key("problems")
        json.array { json in for problem in problems { json.string(problem) } }
        json.key("segments")
        json.array { json in for segment in segments { json.value(segment) } }
      }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func value(_ segment: JournalInspection.Segment) {
    object { json in
      json.member("number", segment.number)
      json.member("file", segment.file)
      json.member("archived", segment.isArchived)
      json.member("file_bytes", segment.fileBytes)
      json.member("raw_bytes", segment.rawBytes)
      json.member("first_lsn", segment.firstLSN)
      json.member("last_lsn", segment.lastLSN)
      json.member("records", segment.records)
      json.member("epoch", segment.epoch)
      json.member("created", segment.created)
      json.member("sha256", segment.hash.description)
    }
  }
}

extension Mutation {
  /// The path and attributes that it names.
  fileprivate var places: (path: String, attributes: ArraySlice<UInt8>?) {
    switch change {
    case .put(let path, _, let attributes), .attributes(let path, let attributes): (path, attributes)
    case .purge(let path): (path, nil)
    case .mode, .note: ("", nil)
    }
  }
}
