internal import Service

// Everything is in `Program`: closures made in this file would belong to the main actor. The daemon's signals are taken
// over first, because threads that start later inherit the mask and earlier ones would die of them.
let arguments = Array(CommandLine.arguments.dropFirst())
let signals = arguments.contains("serve") ? ProcessSignals() : nil
Program.start(arguments, signals: signals)
