import Testing
@testable import ControlPlane
@Suite struct CommandLineTests {}
