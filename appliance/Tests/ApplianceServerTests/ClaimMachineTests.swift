import Core
import Crypto
import HTTP
import StorageAPI
import Testing

@testable import ApplianceServer

@Suite struct ClaimMachineTests {
  static let secret: [UInt8] = Array(1...10)
  static let spki = SHA256.digest([7])
  static let theirs = [UInt8](repeating: 1, count: 16)
  static let ours = [UInt8](repeating: 2, count: 16)
  static let connection = [UInt8](repeating: 3, count: 32)
  static let start = Timestamp(seconds: 1_800_000_000)

  private func machine(lifetime: Duration = .seconds(3600)) -> ClaimMachine {
    ClaimMachine(phase: .offered(ClaimOffer(secret: Self.secret, expiresAt: Self.start + lifetime)))
  }

  private func proof(
    secret: [UInt8] = secret, role: ClaimProof.Role = .controlplane, exporter: [UInt8] = connection,
    spki: Checksum = spki, theirs: [UInt8] = theirs
  ) -> String {
    Hex.encode(
      ClaimProof.make(
        secret: secret, role: role, exporter: exporter, spkiHash: spki, controlPlaneNonce: theirs,
        applianceNonce: Self.ours))
  }

  private func hello(_ machine: inout ClaimMachine, uptime: Duration = .zero, now: Timestamp = start) throws {
    try machine.hello(
      connection: Self.connection, nonce: Hex.encode(Self.theirs), fresh: Self.ours, now: now, uptime: uptime)
  }

  private func prove(
    _ machine: inout ClaimMachine, _ proof: String, uptime: Duration = .zero
  ) throws -> ClaimMachine.ProofVerdict {
    try machine.prove(
      connection: Self.connection, proof: proof, spkiHash: Self.spki, now: Self.start, uptime: uptime)
  }

  @Test func theRightProofIsAnsweredWithOurOwn() throws {
    var machine = machine()
    try hello(&machine)
    let verdict = try prove(&machine, proof())
    let own = ClaimProof.make(
      secret: Self.secret, role: .appliance, exporter: Self.connection, spkiHash: Self.spki,
      controlPlaneNonce: Self.theirs, applianceNonce: Self.ours)
    #expect(verdict == .accepted(own))
    #expect(Hex.encode(own) != proof())
  }

  @Test func proofsThatMustNotPass() throws {
    let wrong = [
      "another secret": proof(secret: Array(2...11)),
      "a man in the middle has another exporter": proof(exporter: [UInt8](repeating: 9, count: 32)),
      "another appliance's key": proof(spki: SHA256.digest([8])),
      "a replay from another session": proof(theirs: [UInt8](repeating: 5, count: 16)),
      "our own proof reflected": proof(role: .appliance),
      "no hexadecimal": "zz",
      "empty": "",
      "cut short": String(proof().dropLast(2)),
    ]
    for (name, text) in wrong {
      var machine = machine()
      try hello(&machine)
      let verdict = try prove(&machine, text)
      #expect(verdict == .wrong(delay: .milliseconds(250)), "\(name)")
      // The session is over: not even the right proof is taken on it.
      #expect(throws: APIError.self, "\(name)") { try self.prove(&machine, self.proof()) }
    }
  }

  @Test func wrongProofsSlowDownAndNeverLockOut() throws {
    var machine = machine()
    var delays: [Duration] = []
    for _ in 0..<10 {
      try hello(&machine)
      if case .wrong(let delay) = try prove(&machine, "00") { delays.append(delay) }
    }
    #expect(delays.prefix(4) == [.milliseconds(250), .milliseconds(500), .seconds(1), .seconds(2)])
    #expect(delays.suffix(2) == [ClaimMachine.delayMax, ClaimMachine.delayMax])
    try hello(&machine)
    guard case .accepted = try prove(&machine, proof()) else {
      Issue.record("the right proof was refused after wrong ones")
      return
    }
  }

  @Test func anExpiredCodeSaysWhereANewOneComesFrom() throws {
    var machine = machine(lifetime: .zero)
    #expect {
      try self.hello(&machine)
    } throws: { error in
      (error as? APIError)?.code == .conflict && (error as? APIError)?.message.contains("claim-code") == true
    }
    machine.renew(ClaimOffer(secret: Self.secret, expiresAt: Self.start + .seconds(60)))
    try hello(&machine)
  }

  @Test func aSessionEndsAfterTwoMinutes() throws {
    var machine = machine()
    try hello(&machine)
    #expect(throws: APIError.self) { try self.prove(&machine, self.proof(), uptime: .seconds(121)) }
  }

  @Test func nothingIsInstalledWithoutAProof() throws {
    var machine = machine()
    try hello(&machine)
    #expect(throws: APIError.self) {
      try machine.mayInstall(connection: Self.connection, trustKey: "k", now: Self.start, uptime: .zero)
    }
    _ = try prove(&machine, proof())
    try machine.mayInstall(connection: Self.connection, trustKey: "k", now: Self.start, uptime: .zero)
    #expect(throws: APIError.self) {
      try machine.mayInstall(
        connection: [UInt8](repeating: 4, count: 32), trustKey: "k", now: Self.start, uptime: .zero)
    }
  }

  @Test func theSameFleetMayRepeatUntilTheFirstContact() throws {
    var machine = machine()
    try hello(&machine)
    _ = try prove(&machine, proof())
    machine.installed(connection: Self.connection, trustKey: "fleet one")
    try hello(&machine)
    _ = try prove(&machine, proof())
    try machine.mayInstall(connection: Self.connection, trustKey: "fleet one", now: Self.start, uptime: .zero)
    #expect(throws: APIError.self) {
      try machine.mayInstall(connection: Self.connection, trustKey: "fleet two", now: Self.start, uptime: .zero)
    }
    let contacts = (machine.mutualContact(), machine.mutualContact())
    #expect(contacts == (true, false))
    #expect(machine.phase == .bound)
    #expect(throws: APIError.self) { try self.hello(&machine) }
  }

  @Test func sessionsAreBounded() throws {
    var machine = machine()
    for number in 0..<UInt8(100) {
      try machine.hello(
        connection: [UInt8](repeating: number, count: 32), nonce: Hex.encode(Self.theirs), fresh: Self.ours,
        now: Self.start, uptime: .seconds(Int(number)) / 10)
    }
    #expect(machine.sessions.count == ClaimMachine.sessionsMax)
  }

  @Test(arguments: ["", "00", "zz", String(repeating: "0", count: 64)])
  func aNonceMustBeSixteenBytes(_ nonce: String) {
    var machine = machine()
    #expect(throws: APIError.self) {
      try machine.hello(connection: Self.connection, nonce: nonce, fresh: Self.ours, now: Self.start, uptime: .zero)
    }
  }
}
