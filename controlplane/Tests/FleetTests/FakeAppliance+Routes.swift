import Synchronization
import Catalogue
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import StorageAPI
import TLS
import Telemetry
import TestKit

extension FakeAppliance {
  var routes: [Route] {
    [
      Route(.post, AppliancePaths.claim, .proof(reason: "test"), bodyLimit: 1 << 20) { try await self.claim($0) },
      Route(.get, AppliancePaths.info, .certificate([.admin])) { _ in try .json(.ok, self.info()) },
      Route(.put, AppliancePaths.trust, .certificate([.admin]), bodyLimit: 1 << 20) { request in
        let message = try await request.json(SignedMessage.self, limit: 1 << 20)
        let version = try self.state.withLock { state in
          state.bundles.append(message)
          state.trustVersionMin = max(state.trustVersionMin, try message.unverified(KeyBundle.self).version)
          return state.trustVersionMin
        }
        return try .json(.ok, TrustAnswer(version: version))
      },
      Route(.get, AppliancePaths.journalChain, .certificate([.admin])) { request in
        let before = UInt64(request.query["before"] ?? "") ?? .max
        return try .json(.ok, self.chain(before: before, contents: request.query["contents"] == "true"))
      },
      Route(.post, AppliancePaths.journalSeal, .scope(.storageWrite)) { _ in
        let isKnown = self.state.withLock { state in
          state.seals += 1
          return state.knowsSeals
        }
        guard isKnown, let newest = self.chain(before: .max, contents: false).segments.first else {
          throw APIError(.notFound, "there is no such path")
        }
        return try .json(.ok, JournalSealAnswer(sealed: false, head: newest))
      },
      Route(.get, AppliancePaths.spans, .certificate([.admin])) { request in
        try .json(.ok, SpanPage(self.spans.page(after: request.query["after"], limit: 3)))
      },
      Route(.put, AppliancePaths.time, .certificate([.admin])) { request in
        let delivery = try await request.json(TimeDelivery.self)
        self.state.withLock { $0.times.append(delivery) }
        return try .json(.ok, self.info().clock)
      },
      Route(.put, AppliancePaths.identity, .certificate([.admin]), bodyLimit: 1 << 20) { try await self.renew($0) },
      Route(.get, AppliancePaths.changes, .scope(.filesRead)) { self.changes($0) },
      Route(.get, AppliancePaths.files, .scope(.filesRead)) { request in
        if let wait = self.state.withLock({ $0.beforePage }) { try await wait() }
        return self.list(request)
      },
      Route(.get, AppliancePaths.digest, .scope(.filesRead)) { _ in self.digest() },
      Route(.get, AppliancePaths.file, .scope(.filesRead)) { request in
        guard let found = self.state.withLock({ $0.documents[FileID(request.parameter("file_id"))!] }) else {
          throw APIError(.notFound, "no such file")
        }
        return .json(bytes: found.record.json)
      },
      Route(.delete, AppliancePaths.file, .scope(.filesWrite)) { request in
        let id = FileID(request.parameter("file_id"))!
        let cursor = self.state.withLock { state in
          state.lsn += 1
          state.documents[id]?.record.status = .deleted
          state.documents[id]?.lsn = state.lsn
          return self.position(state).cursor
        }
        return .empty(.noContent, headers: [Position.headerName: cursor])
      },
      Route(.post, AppliancePaths.upload, .scope(.filesWrite), bodyLimit: .max) { try await self.upload($0) },
    ]
  }

  /// Two links a page.
  private func chain(before number: UInt64, contents: Bool) -> JournalChain {
    state.withLock { state in
      var links = state.chain.enumerated().map { place, hash in
        JournalChain.Link(
          number: UInt64(place + 1), epoch: state.epoch, firstLSN: UInt64(place * 10), previous: hash)
      }
      if contents {
        for place in links.indices.dropLast() {
          links[place].hash = state.changedSegments[links[place].number] ?? links[place + 1].previous
        }
      }
      links = links.filter { (state.firstSegment..<number).contains($0.number) }
      return JournalChain(epoch: state.epoch, segments: links.suffix(2).reversed(), prunedLSN: state.prunedLSN)
    }
  }

  private func claim(_ request: Request) async throws -> Response {
    let exporter = request.exportKeyingMaterial(label: ClaimProof.exporterLabel, count: 32) ?? []
    func proof(_ role: ClaimProof.Role) throws -> [UInt8] {
      guard let nonces = state.withLock({ $0.nonces }) else { throw APIError(.conflict, "no hello") }
      return ClaimProof.make(
        secret: code.secret, role: role, exporter: exporter, spkiHash: key.publicKey.spkiHash,
        controlPlaneNonce: nonces.theirs, applianceNonce: nonces.ours)
    }
    switch try await request.json(ClaimRequest.self, limit: 1 << 20) {
    case .hello(let nonce):
      let ours = SystemRandom().bytes(16)
      state.withLock { $0.nonces = (Hex.decode(nonce) ?? [], ours) }
      return try .json(
        .ok, ClaimHelloAnswer(storageID: storageID, version: "9", mode: .rw, nonce: Hex.encode(ours)))
    case .prove(let given):
      let isFalse = state.withLock { $0.provesFalsely }
      guard try isFalse || ClaimProof.verify(given, equals: proof(.controlplane)) else {
        throw APIError(.forbidden, "the proof is wrong")
      }
      let csr = try CertificateRequest.make(key: key, commonName: storageID).pem
      return try .json(
        .ok,
        ClaimProveAnswer(
          proof: isFalse ? String(repeating: "ab", count: 32) : Hex.encode(try proof(.appliance)), csr: csr))
    case .install(let installation):
      state.withLock { $0.installation = installation }
      try tls.reload(
        TLSServerConfiguration(
          certificateChain: installation.certificate, privateKey: try key.pem,
          clientAuthorities: installation.clientCA, clientCertificate: .required))
      return try .json(.ok, ClaimInstallAnswer(storageID: storageID, trustVersion: 1))
    }
  }

  private func renew(_ request: Request) async throws -> Response {
    guard let chain = try await request.json(IdentityRenewal.self, limit: 1 << 20).certificate else {
      return try .json(.ok, IdentityAnswer(csr: try CertificateRequest.make(key: key, commonName: storageID).pem))
    }
    let certificate = try Certificate.chain(pem: chain)[0]
    state.withLock { $0.certificateEnds = certificate.notAfter }
    try show(chain)
    return try .json(.ok, IdentityAnswer(notAfter: certificate.notAfter))
  }

  /// Another certificate for new connections; the authority of the claim stays.
  func show(_ chain: String) throws {
    let authority = state.withLock { $0.installation?.clientCA }
    try tls.reload(
      TLSServerConfiguration(
        certificateChain: chain, privateKey: try key.pem, clientAuthorities: authority,
        clientCertificate: authority == nil ? .none : .required))
  }

  private func info() -> ApplianceInfo {
    state.withLock { state in
      ApplianceInfo(
        storageID: storageID, mode: state.mode, status: .online,
        capacity: .init(totalBytes: 1000, usedBytes: 10, availableBytes: 990), epoch: state.epoch, lastLSN: state.lsn,
        chainHead: state.chain.last,
        clock: ClockState(time: SystemTime().now() + state.clockAhead, offsetMilliseconds: 0, trusted: true), tasks: [],
        trustVersion: state.trustVersionMin, certificateExpiresAt: state.certificateEnds,
        readOnlyReason: nil)
    }
  }

  private func put(_ document: Document) -> String {
    #"{"op":"put","lsn":\#(document.lsn),"record":\#(String(decoding: document.record.json, as: UTF8.self))}"#
  }

  private func page(_ state: inout State, _ lines: [String], at position: Position, more: Bool) -> Response {
    var all = lines + state.extraLines
    if state.cutPages > 0 {
      state.cutPages -= 1
    } else {
      all.append(#"{"cursor":"\#(position.cursor)","more":\#(more)}"#)
    }
    if let tamper = state.tamper { all = tamper(all) }
    let text = all.joined(separator: "\n") + "\n"
    guard state.vanishes > 0 else { return .text(.ok, text, type: "application/x-ndjson") }
    state.vanishes -= 1
    return Self.half(of: text)
  }

  /// Half of the bytes; then the stream fails, and the connection is gone.
  private static func half(of text: String) -> Response {
    Response(
      .ok, headers: ["Content-Type": "application/x-ndjson"],
      body: .stream(length: nil) { writer in
        try await writer.write(Array(text.utf8.prefix(text.utf8.count / 2)))
        try await writer.flush()
        throw TestKitError("vanished")
      })
  }

  private func changes(_ request: Request) -> Response {
    state.withLock { state in
      var after: UInt64 = 0
      if let text = request.query["after"] {
        guard let position = Position(cursor: text), position.epoch == state.epoch,
          position.generation == state.generation, position.lsn <= state.lsn || state.followsAnyPosition
        else { return .failure(APIError(.cursorExpired, "take a full sync"), requestID: nil) }
        after = position.lsn
        if state.followsAnyPosition { state.lsn = max(state.lsn, after) }
      }
      var lines: [(UInt64, String)] = []
      for (id, document) in state.documents where document.lsn > after && !state.hidden.contains(id) {
        lines.append((document.lsn, put(document)))
      }
      for (id, lsn) in state.gone where lsn > after {
        lines.append((lsn, #"{"op":"delete","lsn":\#(lsn),"file_id":"\#(id)"}"#))
      }
      lines.sort { $0.0 < $1.0 }
      let limit = Int(request.query["limit"] ?? "") ?? 100
      let more = lines.count > limit
      let end = more ? lines[limit - 1].0 : state.lsn
      return page(&state, lines.prefix(limit).map(\.1), at: position(state, end), more: more)
    }
  }

  private func list(_ request: Request) -> Response {
    state.withLock { state in
      let after = FileID(request.query["after_id"] ?? "") ?? .lowest
      let until = FileID(request.query["until_id"] ?? "") ?? .highest
      let limit = Int(request.query["limit"] ?? "") ?? 100
      state.ranges.append((after, until))
      if let most = state.failsAfterPages, state.ranges.count > most {
        return .failure(APIError(.overloaded, "not now"), requestID: nil)
      }
      if let most = state.newEpochAfterPages, state.ranges.count > most {
        state.newEpochAfterPages = nil
        state.epoch += 1
      }
      let found = state.documents.values
        .filter { $0.record.fileID > after && $0.record.fileID <= until && !state.hidden.contains($0.record.fileID) }
        .sorted { $0.record.fileID < $1.record.fileID }
      return page(&state, found.prefix(limit).map(put), at: position(state), more: found.count > limit)
    }
  }

  private func digest() -> Response {
    state.withLock { state in
      var buckets = [UInt128](repeating: 0, count: 256)
      buckets[0] = state.digestLie
      for (id, document) in state.documents where !state.hidden.contains(id) {
        let digest = RecordDigest(id, lsn: Int64(document.lsn), record: document.record.json[...])
        buckets[RecordDigest.bucket(id)] &+= digest.value
      }
      return .json { json in
        json.member("cursor", position(state).cursor)
        json.key("buckets")
        json.array { json in
          for bucket in buckets {
            let digits = String(bucket, radix: 16)
            json.string(String(repeating: "0", count: 32 - digits.count) + digits)
          }
        }
      }
    }
  }

  private func upload(_ request: Request) async throws -> Response {
    if state.withLock({ $0.refusesUploads }) { throw APIError(.storageFull, "no room is left") }
    let boundary = try MultipartReader.boundary(contentType: request.head.header("content-type"))
    let reader = try MultipartReader(boundary: boundary) { try await request.body.next() }
    var fields: [String: String] = [:]
    var record = Self.record(size: 0)
    while let part = try await reader.nextPart() {
      guard part.name == "file" else {
        fields[part.name] = try await part.collectText(limit: 10_000)
        continue
      }
      var digest = SHA256()
      record.originalFilename = part.filename ?? ""
      record.contentType = part.contentType ?? ""
      while let chunk = try await part.nextChunk() {
        digest.update(chunk)
        record.size += chunk.count
      }
      record.checksum = digest.finish()
    }
    record.fileID = FileID(fields["file_id"] ?? "")!
    record.uploadedBy = fields["uploaded_by"] ?? ""
    record.description = fields["description"]
    var response = Response.json(.created, bytes: record.json)
    response.headers[Position.headerName] = store(record).cursor
    return response
  }
}
