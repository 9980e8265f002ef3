internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store
internal import Telemetry

/// Query parameters with their bounds; every complaint names the parameter.
struct QueryReader {
  private let items: QueryItems

  init(_ items: QueryItems) { self.items = items }

  /// A typing error in a filter would silently list something else, so unknown names are refused.
  func allow(_ names: String...) throws(APIError) {
    for name in items.names where !names.contains(name) {
      throw RecordValidation.refuse(
        String(name.prefix(80)), "there is no such parameter here; known are \(names.joined(separator: ", "))")
    }
  }

  func integer(_ name: String, in bounds: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let text = items[name] else { return nil }
    guard let value = Int(text), bounds.contains(value) else {
      throw RecordValidation.refuse(name, "must be a whole number from \(bounds.lowerBound) to \(bounds.upperBound)")
    }
    return value
  }

  func text(_ name: String, bytesMax: Int) throws(APIError) -> String? {
    guard let text = items[name], !text.isEmpty else { return nil }
    guard text.utf8.count <= bytesMax else { throw RecordValidation.refuse(name, "is longer than \(bytesMax) bytes") }
    return text
  }

  func choice<Value: CaseIterable & RawRepresentable<String>>(
    _ name: String, _ type: Value.Type
  ) throws(APIError) -> Value? {
    guard let text = items[name] else { return nil }
    guard let value = Value(rawValue: text) else {
      throw RecordValidation.refuse(name, "must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }

  func id(_ name: String) throws(APIError) -> FileID? {
    guard let text = items[name] else { return nil }
    guard let id = FileID(text) else { throw RecordValidation.refuse(name, "must be a UUID") }
    return id
  }

  func position(_ name: String) throws(APIError) -> Position? {
    guard let text = try text(name, bytesMax: 200) else { return nil }
    guard let position = Position(cursor: text) else {
      throw RecordValidation.refuse(name, "is no cursor; send one that this appliance returned, or leave it out")
    }
    return position
  }
}

extension Request {
  /// `{file_id}` of the path.
  var fileID: FileID {
    get throws(APIError) {
      guard let id = fileID("file_id") else { throw RecordValidation.refuse("file_id", "must be a UUID") }
      return id
    }
  }

  /// Who acts, for the journal.
  var actor: Actor { Actor(principal.author, traceID: trace.traceID) }
}

extension Response {
  static func ndjson(_ page: ChangePage) -> Response {
    Response(.ok, headers: ["Content-Type": "application/x-ndjson"], body: .bytes(page.lines))
  }
}
