public import Disk
internal import Glibc

/// One process works on a data directory at a time: the daemon or an offline command.
public enum DataDirectoryLock {
  /// Takes the lock; `StoreError.locked` names the holder's pid. Held until the file is closed.
  public static func take(_ directory: String, disk: any Disk) throws(StoreError) -> any DiskFile {
    do throws(DiskError) {
      try disk.makeDirectories("\(directory)/state")
      return try disk.lock("\(directory)/state/lock", holder: "pid \(getpid())")
    } catch {
      if let holder = error.holder { throw .locked(directory: directory, holder: holder) }
      throw .disk(error)
    }
  }
}
