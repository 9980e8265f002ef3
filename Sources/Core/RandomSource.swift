internal import Glibc
internal import Synchronization

/// Where randomness comes from. Injected, so that a seed replays a run.
public protocol RandomSource: Sendable {
  /// `count` fresh bytes.
  func bytes(_ count: Int) -> [UInt8]
}

extension RandomSource {
  public func uint64() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

/// The kernel's generator, fit for keys and secrets.
public struct SystemRandom: RandomSource {
  public init() {}

  public func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        // getentropy gives at most 256 bytes a call and cannot be interrupted at that size.
        let step = min(256, count - filled)
        let status = getentropy(buffer.baseAddress! + filled, step)  // not empty: filled < count
        precondition(status == 0, "getentropy failed: no secrets can be made on this machine")
        filled += step
      }
    }
  }
}

/// SplitMix64 from a seed: for tests and the simulation, never for secrets.
public final class SeededRandom: RandomSource {
  private let state: Mutex<UInt64>

  public init(seed: UInt64) { state = Mutex(seed) }

  public func bytes(_ count: Int) -> [UInt8] {
    state.withLock { state in
      var out: [UInt8] = []
      out.reserveCapacity(count + 7)
      while out.count < count {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        word ^= word >> 31
        for shift in stride(from: 0, to: 64, by: 8) { out.append(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
      }
      return Array(out.prefix(count))
    }
  }
}
