/// One entry into code that reads bytes from outside, with the property that must hold whatever the bytes are. The same
/// bodies run under libFuzzer (`make fuzz`) and over the regression corpus in the ordinary tests.
public struct FuzzTarget: Sendable {
  /// The name of its folder below `Fuzz/Corpus`, and of `make fuzz TARGET=…`.
  public let name: String
  /// Longer inputs teach nothing new.
  public let inputBytesMax: Int
  private let body: @Sendable ([UInt8]) throws(Violation) -> Void

  /// What does not hold.
  public struct Violation: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
  }

  public init(
    _ name: String, inputBytesMax: Int, _ body: @escaping @Sendable ([UInt8]) throws(Violation) -> Void
  ) {
    self.name = name
    self.inputBytesMax = inputBytesMax
    self.body = body
  }

  /// What one input violates; nil when all is well. A trap or an endless loop is the caller's to notice.
  public func violation(on input: [UInt8]) -> Violation? {
    do {
      try body(input)
      return nil
    } catch {
      return error
    }
  }

  /// Those of the kit.
  public static var kit: [FuzzTarget] { [requestHead, chunkedBody, range, multipart, token, uploadMetadata, cursor] }
}

/// Fails the property when `holds` does not.
func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(FuzzTarget.Violation) {
  if !holds { throw FuzzTarget.Violation(what()) }
}
