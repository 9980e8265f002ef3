import ApplianceFuzzTargets
import FuzzTargets
import Glibc

// What libFuzzer calls. `tools/artstore/fuzz.py` compiles this file alone and links it with the instrumented modules.

/// The target that FUZZ_TARGET names.
private let target: FuzzTarget = {
  let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let found = (FuzzTarget.kit + FuzzTarget.appliance).first(where: { $0.name == name }) else {
    fatalError("FUZZ_TARGET must name a folder of Fuzz/Corpus, not '\(name)'")
  }
  return found
}()

/// -1 keeps an input out of the corpus. A violated property ends the process, which is how libFuzzer learns of it and keeps the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  if count > target.inputBytesMax { return -1 }
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  if let violation = target.violation(on: input) { fatalError("\(target.name): \(violation)") }
  return 0
}
