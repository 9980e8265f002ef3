internal import Core

/// Audit records as CSV (RFC 4180): one header line, every field in quotes, lines end with CR LF. A field that a
/// spreadsheet would take for a formula gets an apostrophe in front: names in it come from strangers.
enum AuditCSV {
  static let mediaType = "text/csv; charset=utf-8; header=present"
  static let header = Array(
    "sequence,at,actor,action,target,source,result,trace_id,details,code\r\n".utf8)

  static func line(_ record: AuditRecord) -> [UInt8] {
    let entry = record.entry
    let details = String(decoding: JSONWriter.document { $0.value(.object(entry.details)) }, as: UTF8.self)
    let fields = [
      String(record.sequence), record.at.description, entry.actor, entry.action, entry.target, entry.source,
      entry.result.rawValue, entry.trace, details, Hex.encode(record.code),
    ]
    return Array((fields.map(Self.field).joined(separator: ",") + "\r\n").utf8)
  }

  static func field(_ text: String) -> String {
    let quoted = text.replacing("\"", with: "\"\"")
    return startsFormula(text) ? "\"'\(quoted)\"" : "\"\(quoted)\""
  }

  /// Also after blanks, and in the wide forms that spreadsheets of East Asia read alike.
  private static func startsFormula(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first else { return false }
    if first.value < 0x20 { return true }
    let begin = text.unicodeScalars.first { $0 != " " && $0.value >= 0x20 && $0.value != 0xA0 } ?? first
    return "=+-@|\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}".unicodeScalars.contains(begin)
  }
}
