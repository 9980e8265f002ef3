internal import Core
internal import HTTP
internal import HTTPServer
internal import Reactor
internal import Service
internal import Telemetry

extension Console {
  var dashboardRoutes: [Route] {
    [
      page("/") { visit in visit.html(visit.view.dashboardPage(await overview(), notice: visit.notice)) },
      page("/events") { visit in events(visit) },
    ]
  }

  /// Each part by itself: one that fails leaves the others.
  func overview() async -> Overview {
    var overview = Overview()
    overview.elements = await part("storage elements") { try await fleet.storageElements() }
    overview.totals = await part("totals") { try await files.totals() }
    overview.recent = await part("recent documents") { try await files.recent(limit: 8) }
    overview.tasks = await part("tasks") { try await fleet.tasks() }
    return overview
  }

  private func part<Value: Sendable>(_ name: String, _ fetch: () async throws -> Value) async -> Value? {
    do {
      return try await fetch()
    } catch {
      logger.warning("a part of the dashboard could not be read", ["part": .string(name), "error": .error(error)])
      return nil
    }
  }

  /// Server-sent events (WHATWG HTML §9.2): the dashboard's parts, whenever they changed. Ends with the session, at
  /// shutdown, and after five minutes in any case: the browser comes back by itself and is asked again who it is.
  private func events(_ visit: Visit) -> Response {
    let request = visit.request
    let roundsMax = max(1, Int(300 / eventInterval.inSeconds))
    return Response(
      .ok,
      headers: ["Content-Type": "text/event-stream", "X-Accel-Buffering": "no"],
      body: .stream(length: nil) { writer in
        try await writer.write(Array("retry: 5000\n\n".utf8))
        var sent: [String: [UInt8]] = [:]
        for _ in 0..<roundsMax {
          guard !Shutdown.isRequested, try await gate.session(of: request) != nil else { return }
          let view = view(of: request, session: visit.session)
          let overview = await overview()
          var message: [UInt8] = []
          for (name, html) in view.liveParts(overview) where sent[name] != html.bytes {
            sent[name] = html.bytes
            message += Self.event(name, html.bytes)
          }
          // A comment keeps gateways from closing a silent connection.
          try await writer.write(message.isEmpty ? Array(": nothing new\n\n".utf8) : message)
          try await writer.flush()
          try await IO.sleep(eventInterval)
        }
      })
  }

  /// One event. HTML may hold line ends; each line is a `data:` field of its own.
  static func event(_ name: String, _ data: [UInt8]) -> [UInt8] {
    var out = Array("event: \(name)\n".utf8)
    for line in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      out += "data: ".utf8
      out += line
      out.append(UInt8(ascii: "\n"))
    }
    out.append(UInt8(ascii: "\n"))
    return out
  }
}

extension View {
  /// What the dashboard exchanges while one looks at it, by the names its markup listens to.
  func liveParts(_ overview: Overview) -> [(name: String, html: HTML)] {
    [
      ("fleet", fleetTiles(overview)),
      ("capacity", capacityCard(overview.elements)),
      ("tasks", tasksCard(overview.tasks)),
      ("recent", recentCard(overview.recent)),
    ]
  }
}
