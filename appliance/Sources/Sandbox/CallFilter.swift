internal import CSeccomp
internal import Glibc

/// Seccomp: system calls that a serving appliance never makes fail with EPERM, for every thread and for good. What they
/// have in common: each would let somebody who took the process over reach further than its open files and sockets.
public struct CallFilter: Sendable {
  /// By what they would be good for. A new appliance feature that needs one of them needs a decision first.
  public static let denied: [(purpose: String, calls: [String])] = [
    (
      "new sockets, which make connections out: both listeners are open before",
      ["connect", "socket", "socketpair", "bind", "listen"]
    ),
    ("another program", ["execve", "execveat", "uselib"]),
    (
      "other processes' memory and descriptors",
      ["ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"]
    ),
    (
      "another view of the file system",
      [
        "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
        "pivot_root", "chroot", "unshare", "setns", "mknod", "mknodat", "name_to_handle_at", "open_by_handle_at",
        "quotactl", "quotactl_fd", "swapon", "swapoff", "acct",
      ]
    ),
    (
      "the kernel itself",
      [
        "kexec_load", "kexec_file_load", "reboot", "init_module", "finit_module", "delete_module", "bpf",
        "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "iopl", "ioperm",
        "modify_ldt", "personality", "syslog", "vhangup", "lookup_dcookie",
      ]
    ),
    ("keys of other processes", ["add_key", "request_key", "keyctl"]),
    (
      "the machine's name and clock",
      ["settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"]
    ),
    (
      "another user",
      [
        "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
        "capset",
      ]
    ),
  ]

  public init() {}

  /// Cannot be undone. With `everyThread` all threads of the process are filtered, otherwise the calling one and those
  /// it makes.
  public func apply(everyThread: Bool) throws(SandboxError) -> Protection {
    guard artstore_has_seccomp() != 0 else { return .unavailable("the kernel has no seccomp filters") }
    guard let filter = artstore_filter_new() else { throw SandboxError("making a seccomp filter", code: ENOMEM) }
    defer { seccomp_release(filter) }
    for call in Self.denied.flatMap(\.calls) {
      try check(artstore_filter_deny(filter, call, EPERM), "denying the system call \(call)")
    }
    try check(artstore_filter_deny_processes(filter), "denying new processes")
    try check(artstore_filter_load(filter, everyThread ? 1 : 0), "loading the seccomp filter")
    return .active("seccomp")
  }

  private func check(_ status: CInt, _ operation: String) throws(SandboxError) {
    if status != 0 { throw SandboxError(operation, code: -status) }
  }
}
