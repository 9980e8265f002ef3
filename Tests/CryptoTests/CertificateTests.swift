import Core
import TestKit
import Testing

@testable import Crypto

@Suite struct CertificateTests {
  let time = ManualTime(SystemTime().now())
  let random = SystemRandom()

  private func authority(days: Int = 3650) throws -> CertificateAuthority {
    try .create(name: "fleet", validity: .seconds(days * 86_400), time: time, random: random)
  }

  private func identity(_ role: PeerRole = .appliance) throws -> PeerIdentity {
    try #require(PeerIdentity(role: role, name: "3e5c41f2-9f0c-4a55-8d5c-5d2f5f3f7a10"))
  }

  @Test func anIssuedCertificateSaysWhatTheAuthorityDecided() throws {
    let ca = try authority()
    let key = try PrivateKey.p256()
    let certificate = try ca.issue(
      to: key.publicKey, identity: try identity(), usage: .server, hosts: ["a.example", "10.0.0.1", "::1"],
      validity: .seconds(86_400), time: time, random: random)
    #expect(certificate.identity == (try identity()))
    #expect(certificate.hosts == ["a.example", "10.0.0.1", "::1"])
    #expect(certificate.spkiHash == key.publicKey.spkiHash)
    #expect(!certificate.isAuthority && ca.certificate.isAuthority)
    #expect(try certificate.isSigned(by: ca.certificate))
    #expect(try !certificate.isSigned(by: authority().certificate))
    #expect(try !certificate.isSigned(by: certificate))
    #expect(certificate.isValid(at: time.now()))
    #expect(!certificate.isValid(at: time.now() + .seconds(86_401)))
    #expect(try Certificate(pem: certificate.pem) == certificate)
    #expect(try Certificate(der: certificate.der) == certificate)
    #expect(certificate.serial.count == 32)
  }

  @Test func opensslAcceptsTheChainForItsPurposeOnly() throws {
    let directory = try TemporaryDirectory("chain")
    let ca = try authority()
    try directory.write(ca.certificate.pem, to: "ca.pem")
    let base = ["verify", "-x509_strict", "-CAfile", directory.file("ca.pem")]
    for usage in [CertificateUsage.server, .client] {
      let certificate = try ca.issue(
        to: try PrivateKey.p256().publicKey, identity: try identity(), usage: usage, hosts: ["a.example", "10.0.0.1"],
        validity: .seconds(86_400), time: time, random: random)
      let path = try directory.write(certificate.pem, to: "leaf.pem")
      let (good, bad) = usage == .server ? ("sslserver", "sslclient") : ("sslclient", "sslserver")
      _ = try OpenSSLTool.run(base + ["-purpose", good, path])
      #expect(throws: OpenSSLTool.Failure.self) { try OpenSSLTool.run(base + ["-purpose", bad, path]) }
      if usage == .server {
        _ = try OpenSSLTool.run(base + ["-verify_hostname", "a.example", path])
        _ = try OpenSSLTool.run(base + ["-verify_ip", "10.0.0.1", path])
        #expect(throws: OpenSSLTool.Failure.self) {
          try OpenSSLTool.run(base + ["-verify_hostname", "b.example", path])
        }
      }
    }
  }

  @Test func opensslShowsCriticalConstraintsAndKeyIDs() throws {
    let directory = try TemporaryDirectory("text")
    let ca = try authority()
    let leaf = try ca.issue(
      to: try PrivateKey.p256().publicKey, identity: try identity(), usage: .server, validity: .seconds(86_400),
      time: time, random: random)
    for (certificate, constraints, usage) in [
      (ca.certificate, "CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"), (leaf, "CA:FALSE", "Digital Signature"),
    ] {
      let path = try directory.write(certificate.pem, to: "certificate.pem")
      let text = try OpenSSLTool.text(["x509", "-in", path, "-noout", "-text"])
      #expect(text.contains("X509v3 Basic Constraints: critical\n                \(constraints)"))
      #expect(text.contains("X509v3 Key Usage: critical\n                \(usage)"))
      #expect(text.contains("X509v3 Authority Key Identifier"))
      #expect(text.contains("X509v3 Subject Key Identifier"))
      #expect(text.contains("Version: 3"))
    }
    let text = try OpenSSLTool.text(["x509", "-in", directory.file("certificate.pem"), "-noout", "-text"])
    #expect(text.contains("URI:artstore://appliance/3e5c41f2-9f0c-4a55-8d5c-5d2f5f3f7a10"))
    #expect(text.contains("TLS Web Server Authentication"))
  }

  @Test func aLeafNeverOutlivesItsAuthorityAndCannotSign() throws {
    let ca = try authority(days: 10)
    let key = try PrivateKey.p256()
    let leaf = try ca.issue(
      to: key.publicKey, identity: try identity(), usage: .server, validity: .seconds(100 * 86_400), time: time,
      random: random)
    #expect(leaf.notAfter == ca.certificate.notAfter)
    #expect(throws: CryptoError.self) { try CertificateAuthority(certificate: leaf, key: key) }
    #expect(throws: CryptoError.self) { try CertificateAuthority(certificate: ca.certificate, key: key) }
    time.advance(by: .seconds(11 * 86_400))
    #expect(throws: CryptoError.self) {
      try ca.issue(
        to: key.publicKey, identity: try identity(), usage: .server, validity: .seconds(60), time: time,
        random: random)
    }
  }

  @Test(arguments: ["a.example,DNS:evil.example", "a b", "", "*", "-a.example", "a..b", "10.0.0.1/8", "[::1]", "\u{0}"])
  func hostsThatAreNoneAreRefused(_ host: String) throws {
    let key = try PrivateKey.p256()
    #expect(throws: CryptoError.self) {
      try Certificate.selfSigned(
        key: key, identity: try identity(), hosts: [host], validity: .seconds(60), time: time, random: random)
    }
  }

  @Test func aForeignAuthoritysCertificateIsReadAndSignsWithOurs() throws {
    let directory = try TemporaryDirectory("foreign")
    _ = try OpenSSLTool.run([
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
      directory.file("ca.key"), "-out", directory.file("ca.pem"), "-subj", "/CN=Company CA", "-days", "30",
    ])
    let ca = try CertificateAuthority(
      certificate: try Certificate(pem: String(decoding: try directory.read("ca.pem"), as: UTF8.self)),
      key: try PrivateKey(pem: String(decoding: try directory.read("ca.key"), as: UTF8.self)))
    let leaf = try ca.issue(
      to: try PrivateKey.p256().publicKey, identity: try identity(), usage: .client, validity: .seconds(3600),
      time: time, random: random)
    let path = try directory.write(leaf.pem, to: "leaf.pem")
    _ = try OpenSSLTool.run(["verify", "-CAfile", directory.file("ca.pem"), path])
  }

  @Test func requestsGoBothWaysWithOpenssl() throws {
    let directory = try TemporaryDirectory("request")
    let key = try PrivateKey.p256()
    let path = try directory.write(try CertificateRequest.make(key: key, commonName: "site").pem, to: "ours.csr")
    let text = try OpenSSLTool.text(["req", "-in", path, "-noout", "-verify", "-subject"])
    #expect(text.contains("CN = site"))
    _ = try OpenSSLTool.run([
      "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", directory.file("theirs.key"), "-out",
      directory.file("theirs.csr"), "-subj", "/CN=x", "-addext", "subjectAltName=URI:artstore://admin/evil",
    ])
    let theirs = try CertificateRequest(pem: String(decoding: try directory.read("theirs.csr"), as: UTF8.self))
    let certificate = try authority().issue(
      to: theirs.publicKey, identity: try identity(), usage: .server, validity: .seconds(60), time: time,
      random: random)
    #expect(certificate.identity == (try identity()), "nothing of a request but its key gets into a certificate")
  }

  @Test func aRequestWithAForeignKeyIsRefused() throws {
    let (mine, theirs) = (try PrivateKey.p256(), try PrivateKey.p256())
    let pem = try CertificateRequest.make(key: mine, commonName: "site").pem
    let lines = pem.split(separator: "\n").dropFirst().dropLast().joined()
    var der = try #require(Base64.standard.decode(lines))
    let needle = mine.publicKey.spki.suffix(64)
    let position = try #require(der.indices.first { der[$0...].starts(with: needle) })
    der.replaceSubrange(position..<position + 64, with: theirs.publicKey.spki.suffix(64))
    let forged =
      "-----BEGIN CERTIFICATE REQUEST-----\n\(Base64.standard.encode(der))\n-----END CERTIFICATE REQUEST-----\n"
    #expect(throws: CryptoError.self) { try CertificateRequest(pem: forged) }
  }

  @Test func changedCertificatesAreRefusedOrNotSigned() throws {
    let ca = try authority()
    let der = try ca.issue(
      to: try PrivateKey.p256().publicKey, identity: try identity(), usage: .server, hosts: ["a.example"],
      validity: .seconds(3600), time: time, random: random
    ).der
    let seed = TestSeed()
    for _ in 0..<2000 {
      var changed = der
      switch seed.below(3) {
      case 0: changed[seed.below(changed.count)] ^= UInt8(1 + seed.below(255))
      case 1: changed.removeSubrange(0..<0 + seed.below(4) + 1)
      default: changed.removeLast(1 + seed.below(changed.count - 1))
      }
      guard let read = try? Certificate(der: changed) else { continue }  // a refusal is what is wanted
      let isSigned = (try? read.isSigned(by: ca.certificate)) ?? false  // an unusable key is not signed either
      #expect(!isSigned, "\(seed)")
    }
    #expect(throws: CryptoError.self) { try Certificate(der: der + [0]) }
  }

  @Test func chainsAreReadWholeOrNotAtAll() throws {
    let (one, two) = (try authority().certificate, try authority().certificate)
    #expect(try Certificate.chain(pem: one.pem + "comment\n" + two.pem) == [one, two])
    #expect(throws: CryptoError.self) { try Certificate.chain(pem: "") }
    #expect(throws: CryptoError.self) { try Certificate.chain(pem: String(repeating: one.pem, count: 17)) }
    let damaged = two.pem.replacing("MII", with: "M!!", maxReplacements: 1)
    #expect(throws: CryptoError.self) { try Certificate.chain(pem: one.pem + damaged) }
  }

  @Test(arguments: [
    "artstore://appliance/a", "artstore://admin/A-b_c.9", "artstore://client/" + String(repeating: "x", count: 64),
  ])
  func identitiesSurviveTheirURI(_ uri: String) throws {
    #expect(try #require(PeerIdentity(uri: uri)).uri == uri)
  }

  @Test(arguments: [
    "artstore://appliance/", "artstore://appliance/a/b", "artstore://root/a", "ARTSTORE://admin/a", "artstore://admin",
    "artstore://admin/a b", "artstore://admin/ä", "https://admin/a",
    "artstore://client/" + String(repeating: "x", count: 65),
  ])
  func otherURIsAreNoIdentity(_ uri: String) { #expect(PeerIdentity(uri: uri) == nil) }

  @Test func twoIdentitiesAreNone() throws {
    var names = SubjectAlternativeName()
    names.uris = ["artstore://admin/a", "artstore://query/b"]
    #expect(SubjectAlternativeName(der: names.der)?.identity == nil)
    names.uris = ["https://a.example", "artstore://query/b"]
    #expect(SubjectAlternativeName(der: names.der)?.identity?.name == "b")
    #expect(SubjectAlternativeName(der: [0x30, 3, 0x86, 1, 0]) == nil, "a NUL is no URI")
    #expect(SubjectAlternativeName(der: [0x30, 3, 0x86, 1, 0xFF]) == nil, "nor is what is not ASCII")
    #expect(SubjectAlternativeName(der: [0x30, 3, 0x86, 5, 0x61]) == nil, "nor what is cut off")
  }
}
