/// Every path of the appliance's API, for the routes on one side and the client on the other.
public enum AppliancePaths {
  public static let prefix = "/api/v1"
  public static let upload = "/api/v1/files/upload"
  public static let files = "/api/v1/files"
  public static let file = "/api/v1/files/{file_id}"
  public static let download = "/api/v1/files/{file_id}/download"
  public static let resumableUploads = "/api/v1/uploads"
  public static let resumableUpload = "/api/v1/uploads/{upload_id}"
  public static let digest = "/api/v1/files/digest"
  public static let changes = "/api/v1/changes"
  public static let info = "/api/v1/info"
  public static let modeTransition = "/api/v1/mode/transition"
  public static let reconcile = "/api/v1/maintenance/reconcile"
  public static let scrub = "/api/v1/maintenance/scrub"
  public static let maintenanceRun = "/api/v1/maintenance/{run_id}"
  public static let journalChain = "/api/v1/journal/chain"
  public static let journalSeal = "/api/v1/journal/seal"
  public static let spans = "/api/v1/spans"
  public static let claim = "/api/v1/claim"
  public static let identity = "/api/v1/identity"
  public static let trust = "/api/v1/trust"
  public static let time = "/api/v1/time"
  public static let settings = "/api/v1/settings"

  /// The path of one file's record; append `/download` for its bytes.
  public static func file(_ id: String) -> String { "\(files)/\(id)" }

  /// The path of one unfinished upload.
  public static func resumableUpload(_ id: String) -> String { "\(resumableUploads)/\(id)" }
}
