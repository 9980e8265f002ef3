/// `Content-Disposition` (RFC 6266), with file names in any script (RFC 8187).
public enum ContentDisposition {
  /// What a field said.
  public struct Parsed: Hashable, Sendable {
    /// Lower case: `attachment`, `inline`, `form-data`.
    public let type: String
    /// The form field's name (RFC 7578 §4.2).
    public let name: String?
    /// `filename*` wins over `filename`.
    public let filename: String?
  }

  /// `attachment` with an ASCII fallback and, when the name needs it, the exact one. Control characters, quotes and
  /// backslashes never reach the quoted form.
  public static func attachment(filename: String) -> String {
    disposition("attachment", filename: filename)
  }

  /// The same with `inline`.
  public static func inline(filename: String) -> String { disposition("inline", filename: filename) }

  private static func disposition(_ type: String, filename: String) -> String {
    var isExact = true
    var fallback = ""
    for scalar in filename.unicodeScalars {
      switch scalar {
      case "\"", "\\", "%", "/":
        fallback.append("_")
        isExact = false
      case " "..."~": fallback.unicodeScalars.append(scalar)
      default:
        fallback.append("_")
        isExact = false
      }
    }
    let quoted = "\(type); filename=\"\(fallback)\""
    return isExact ? quoted : quoted + "; filename*=UTF-8''\(PercentEncoding.encode(filename))"
  }

  /// nil when the grammar is violated.
  public static func parse(_ text: some StringProtocol) -> Parsed? {
    guard let fields = FieldParameters(text), !fields.value.isEmpty,
      fields.value.utf8.allSatisfy(FieldGrammar.isToken)
    else { return nil }
    return Parsed(
      type: fields.value.lowercased(), name: fields["name"],
      filename: fields["filename*"].flatMap(extended) ?? fields["filename"])
  }

  /// `UTF-8'en'%e2%82%ac` (RFC 8187 §3.2.1).
  private static func extended(_ value: String) -> String? {
    let parts = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].equalsIgnoringASCIICase("utf-8") else { return nil }
    return PercentEncoding.decodeText(parts[2].utf8)
  }
}
