internal import Configuration
internal import StorageAPI
internal import Store

/// Uploads that come in pieces: how many, how much, how long.
extension Settings {
  private static let defaults = StoreConfiguration(
    dataDirectory: "", journalDirectory: "", indexDirectory: "", initialMode: .edit)

  static let uploadsPerSubjectMax = Setting(
    "SE_MAX_UPLOADS_PER_SUBJECT", .integer(1...4096), default: defaults.uploadsPerOwnerMax,
    doc: "Unfinished resumable uploads that one subject may have.")
  static let uploadBytesPerSubjectMax = Setting(
    "SE_MAX_UPLOAD_BYTES_PER_SUBJECT", .bytes(1 << 20...1 << 50), default: defaults.uploadBytesPerOwnerMax,
    unit: "bytes", doc: "What the unfinished resumable uploads of one subject may take together: it is reserved.")
  static let uploadExpiry = Setting<Duration>(
    "SE_UPLOAD_EXPIRY", .duration(Duration.seconds(60)...Duration.seconds(31_536_000)), default: defaults.uploadExpiry,
    doc: "How long an unfinished resumable upload waits for its next piece before it is removed.")

  static let uploads: [any AnySetting] = [uploadsPerSubjectMax, uploadBytesPerSubjectMax, uploadExpiry]
}

extension ConfigurationValues {
  func applyUploads(to configuration: inout StoreConfiguration) {
    configuration.uploadsPerOwnerMax = self[Settings.uploadsPerSubjectMax]
    configuration.uploadBytesPerOwnerMax = self[Settings.uploadBytesPerSubjectMax]
    configuration.uploadExpiry = self[Settings.uploadExpiry]
  }
}
