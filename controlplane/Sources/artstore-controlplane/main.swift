internal import CJemalloc
internal import ControlPlane
internal import FoundationEssentials

// Named once, so that the linker keeps jemalloc, whose malloc then serves the whole program.
_ = mallctl("epoch", nil, nil, nil, 0)

// Everything is in `Program`: closures made in this file would belong to the main actor.
Program.start(
  arguments: Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
