// Everything is in `Program`: closures made in this file would belong to the main actor.
Program.start(Array(CommandLine.arguments.dropFirst()))
