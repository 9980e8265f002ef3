internal import Glibc
internal import Telemetry

/// Open descriptors: connections must never use up those that the store needs.
enum DescriptorLimit {
  /// Journal, index, documents being written, loops, listeners; each upload holds one beside its connection's.
  private static let reserved = 512

  /// Raises the process's limit as far as it may go; how many API connections that leaves room for.
  static func connections(wanted: Int, others: Int, logger: Logger) -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return wanted }
    let needed = rlim_t(wanted + others + reserved)
    if limit.rlim_cur < needed {
      limit.rlim_cur = min(needed, limit.rlim_max)
      // What could not be raised shows in the answer.
      _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    guard limit.rlim_cur < needed else { return wanted }
    let left = max(16, Int(limit.rlim_cur) - others - reserved)
    logger.warning(
      "fewer connections than SE_MAX_CONNECTIONS fit the limit of open files: raise LimitNOFILE=",
      ["wanted": .integer(wanted), "connections": .integer(left), "open_files": .integer(Int(limit.rlim_cur))])
    return left
  }
}
