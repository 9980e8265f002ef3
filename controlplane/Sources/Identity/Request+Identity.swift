public import Core
public import HTTP
public import HTTPServer
internal import Reactor
internal import Telemetry

extension Request {
  /// Who asks, for the audit.
  public var actor: Actor {
    Actor(
      subject: principal.subject.isEmpty ? "anonymous" : principal.author, source: client, trace: trace.traceID)
  }

  /// Somebody who proved to be `subject` in the handler.
  func actor(as subject: String) -> Actor {
    Actor(subject: subject, source: client, trace: trace.traceID)
  }

  /// A JSON object of known members only: in what changes something a typo must not pass unnoticed.
  public func strictJSON<T: Decodable, K: CodingKey & CaseIterable>(
    _ type: T.Type, keys: K.Type
  ) async throws -> T {
    let bytes = try await body.collect(limit: 65_536)
    do {
      guard case .object(let members) = try JSON.decode(JSONValue.self, from: bytes) else {
        throw APIError(.validation, "the body must be a JSON object")
      }
      let known = Set(K.allCases.map(\.stringValue))
      if let stranger = members.keys.sorted().first(where: { !known.contains($0) }) {
        throw APIError(
          .validation,
          "\(stranger.cut(to: 60)): no such member; there are \(known.sorted().joined(separator: ", "))")
      }
      return try JSON.decode(type, from: bytes)
    } catch let error as APIError {
      throw error
    } catch {
      throw APIError(.validation, "the body is wrong: \(JSON.explain(error))")
    }
  }

  /// An id in the path; NOT_FOUND when it is no UUID, because then there is nothing under it.
  public func id(_ name: String = "id") throws(APIError) -> FileID {
    guard let id = FileID(parameter(name)) else {
      throw APIError(.notFound, "'\(parameter(name).cut(to: 60))' is not an id; ids are UUIDs")
    }
    return id
  }
}
