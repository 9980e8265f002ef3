// Everything is in `StoreBench`: closures made in this file would belong to the main actor.
await StoreBench.start(Array(CommandLine.arguments.dropFirst()))
