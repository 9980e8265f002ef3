import Core
import Crypto
import HTTP
import HTTPServer
import Reactor
import Service
import StorageAPI
import Synchronization
import TLS
import Telemetry
import TestKit

/// An appliance as the contract has it, with a memory for a store and a tongue for lies: a real TLS listener, claim,
/// trust, listing, feed and uploads.
final class FakeAppliance: Sendable {
  struct Document { var record: FileRecord, lsn: UInt64 }

  struct State {
    var documents: [FileID: Document] = [:]
    var gone: [FileID: UInt64] = [:]
    var lsn: UInt64 = 0
    var epoch: UInt64 = 1
    var generation: UInt64 = 1
    var installation: ClaimInstallation?
    var certificate: String
    var nonces: (theirs: [UInt8], ours: [UInt8])?
    var bundles: [SignedMessage] = []
    var mode = ApplianceMode.rw
    /// Documents the listing and feed keep quiet about.
    var hidden: Set<FileID> = []
    /// Leave out the closing line of the next so many pages.
    var cutPages = 0
    /// Extra lines in each page.
    var extraLines: [String] = []
    var refusesUploads = false
    /// What becomes of the lines of each page, its closing line included, before they are sent.
    var tamper: (@Sendable ([String]) -> [String])?
    /// The next so many pages end in the middle of their bytes, and the connection with them.
    var vanishes = 0
    /// The feed takes positions beyond its end.
    var followsAnyPosition = false
    /// From this many pages of a listing on, calls fail; or another epoch begins.
    var failsAfterPages: Int?
    var newEpochAfterPages: Int?
    /// Added to the first bucket of the digest.
    var digestLie: UInt128 = 0
    /// Pages of the listing served so far, with their bounds.
    var ranges: [(after: FileID, until: FileID)] = []
    /// Each page of a listing waits for this first.
    var beforePage: (@Sendable () async throws -> Void)?
    /// Answer the next so many calls with 401.
    var forgetsKeys = 0
    /// The bundle it says to trust, at least.
    var trustVersionMin = 1
    var certificateEnds = SystemTime().now() + .seconds(80 * 86_400)
    var clockAhead = Duration.zero
    var times: [TimeDelivery] = []
    /// Hashes of its sealed segments, oldest first; the last one is the chain's head.
    var chain: [Checksum] = [Checksum(bytes: Array(repeating: 0, count: 32))!, SHA256.digest([3])]
    var prunedLSN: UInt64 = 0
    /// The oldest segment that is left.
    var firstSegment: UInt64 = 1
    /// What the bytes of these segments hash to, whatever the next header says.
    var changedSegments: [UInt64: Checksum] = [:]
    /// How often it was asked to seal its journal; whether its version can.
    var seals = 0
    var knowsSeals = true
    /// Takes any proof and answers with one that is none: it does not know the code.
    var provesFalsely = false
  }

  let key: PrivateKey
  let storageID: String
  let code: ClaimCode
  let state: Mutex<State>
  let tls: TLSServerContext
  let spans = SpanRing(capacity: 100, random: SystemRandom())

  /// `sharingKeyOf`: one that has stolen another's key, but not its code.
  init(
    storageID: String = "5c1d9a0e-0000-4000-8000-000000000001", sharingKeyOf victim: FakeAppliance? = nil
  ) throws {
    self.storageID = storageID
    key = try victim?.key ?? PrivateKey.p256()
    let random = SystemRandom()
    let identity = PeerIdentity(role: .appliance, name: storageID)!
    let certificate = try Certificate.selfSigned(
      key: key, identity: identity, hosts: ["127.0.0.1"], validity: .seconds(86_400), time: SystemTime(),
      random: random)
    code = ClaimCode(secret: random.bytes(10), spkiHash: key.publicKey.spkiHash)!
    state = Mutex(State(certificate: certificate.pem))
    tls = try TLSServerContext(TLSServerConfiguration(certificateChain: certificate.pem, privateKey: try key.pem))
  }

  func position(_ state: State, _ lsn: UInt64? = nil) -> Position {
    Position(epoch: state.epoch, generation: state.generation, incarnation: 5, lsn: lsn ?? state.lsn)
  }

  @discardableResult
  func store(_ record: FileRecord) -> Position {
    state.withLock { state in
      state.lsn += 1
      state.documents[record.fileID] = Document(record: record, lsn: state.lsn)
      return position(state)
    }
  }

  func purge(_ id: FileID) {
    state.withLock { state in
      state.lsn += 1
      state.documents[id] = nil
      state.gone[id] = state.lsn
    }
  }

  static func record(_ id: FileID = .random(SystemRandom()), name: String = "a.txt", size: Int = 3) -> FileRecord {
    FileRecord(
      fileID: id, originalFilename: name, contentType: "text/plain", size: size,
      checksum: Checksum(bytes: Array(repeating: 1, count: 32))!, uploadedBy: "sa",
      uploadedAt: Timestamp(seconds: 1_790_000_000), retentionPolicy: .permanent)
  }

  /// Serves on a free port while `body` runs.
  func serve<R: Sendable>(_ body: @escaping @Sendable (_ url: String) async throws -> R) async throws -> R {
    let loops = try EventLoopGroup(loops: 1)
    defer { loops.shutdown() }
    let server = HTTPServer(
      HTTPServerConfiguration(name: "fake", address: .loopback(port: 0), tls: tls, logsAccess: false),
      router: Router(routes, authorizer: Doorkeeper(appliance: self)), loops: loops, logger: .silent,
      metrics: HTTPServerMetrics(MetricsRegistry(), prefix: "se_"))
    let address = try server.bind()
    return try await withThrowingTaskGroup(of: R?.self) { group in
      group.addTask {
        try await server.run()
        return nil
      }
      group.addTask { try await body("https://\(address)") }
      defer { group.cancelAll() }
      while let result = try await group.next() { if let result { return result } }
      throw TestKitError("the fake appliance ended first")
    }
  }

  struct Doorkeeper: Authorizer {
    let appliance: FakeAppliance

    func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
      if case .proof = access { return .nobody }
      guard request.peer != nil else { throw APIError(.forbidden, "a client certificate is needed") }
      if case .scope = access {
        let forgot = appliance.state.withLock { state in
          defer { state.forgetsKeys = max(0, state.forgetsKeys - 1) }
          return state.forgetsKeys > 0
        }
        guard !forgot, request.head.header("authorization")?.hasPrefix("Bearer ") == true else {
          throw APIError(.unauthorized, "unknown key")
        }
      }
      return Principal(subject: request.peer?.uri ?? "", peer: request.peer)
    }
  }
}
