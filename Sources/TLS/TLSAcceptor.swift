public import Reactor

/// Makes connections for one loop, with the newest set-up. Used on that loop's thread only.
public final class TLSAcceptor {
  private let server: TLSServerContext
  private var loopContext: TLSLoopContext

  public init(_ server: TLSServerContext) throws(TLSError) {
    self.server = server
    loopContext = try TLSLoopContext(server.generation)
  }

  /// A connection on a non-blocking socket that was just accepted.
  public func connection(descriptor: CInt, output: SendBuffer) throws(TLSError) -> TLSConnection {
    try TLSConnection(try newest(), descriptor: descriptor, output: output)
  }

  /// Whether the set-up changed since the connection was made or last looked at: its client must be verified again.
  public func isOutdated(_ connection: TLSConnection) -> Bool {
    connection.verifiedGeneration != server.generationNumber
  }

  /// Verifies a connection's client against the authorities of today. False: it must not be served any longer. A client
  /// without a certificate stays who it was: nobody.
  public func verifyAgain(_ connection: TLSConnection) throws(TLSError) -> Bool {
    connection.verifyAgain(by: try newest())
  }

  private func newest() throws(TLSError) -> TLSLoopContext {
    if loopContext.generationNumber != server.generationNumber {
      loopContext = try TLSLoopContext(server.generation)
    } else if loopContext.ticketKeysNumber != server.newestTicketKeys {
      loopContext.use(server.generation.ticketKeys)
    }
    return loopContext
  }
}
