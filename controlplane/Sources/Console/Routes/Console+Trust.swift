internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI

/// Local clients, revoked keys, the revocation of a site's certificate, and registering a site without a code.
extension Console {
  var trustRoutes: [Route] { localClientRoutes + revocationRoutes + registrationRoutes }

  /// What is wrong with a field, in the reader's words, by the field's name in the API.
  private static let problems: [String: Text] = [
    "csr": .badCSR, "scopes": .badScopes, "storage_element_ids": .badSites, "days": .badDays, "reason": .badReason,
    "certificate": .badCertificate, "key_sha256": .badKeyHash,
  ]

  // MARK: local clients

  private var localClientRoutes: [Route] {
    let base = "/access/local-clients"
    return [
      page(base) { visit in
        visit.html(visit.view.localClientsPage(try await trust.localClients(), notice: visit.notice))
      },
      page("\(base)/new", write: true) { visit in
        visit.html(visit.view.newLocalClientPage(LocalClientForm(), sites: try await fleet.storageElements()))
      },
      write("\(base)/new") { visit, form in try await addLocalClient(visit, form) },
      write("\(base)/{id}/renew") { visit, _ in
        do {
          let made = try await trust.renewLocalClient(visit.request.parameter("id"), actor: visit.actor)
          return visit.html(visit.view.certificatePage(made))
        } catch {
          let failure = try Failure(showing: error)
          let clients = try await trust.localClients()
          return visit.html(
            visit.view.localClientsPage(clients, notice: nil, failure: failure), failing: failure)
        }
      },
      page("\(base)/{id}/remove", write: true) { visit in
        visit.html(visit.view.removeLocalClientPage(try await localClient(visit)))
      },
      write("\(base)/{id}/remove") { visit, _ in
        let client = try await localClient(visit)
        do {
          try await trust.removeLocalClient(client.id, actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error)
          return visit.html(visit.view.removeLocalClientPage(client, failure: failure), failing: failure)
        }
        return visit.redirect("/access/local-clients", .clientRemoved)
      },
    ]
  }

  private func localClient(_ visit: Visit) async throws -> SiteClient {
    guard let client = try await trust.localClient(visit.request.parameter("id")) else {
      throw APIError(.notFound, "there is no such local client")
    }
    return client
  }

  private func addLocalClient(_ visit: Visit, _ form: Form) async throws -> Response {
    let sites = try await fleet.storageElements()
    let typed = LocalClientForm(
      name: form["name"], request: form["csr"],
      scopes: Set(View.localScopes.map(\.rawValue).filter { form["scope-\($0)"] == "yes" }),
      sites: Set(sites.map(\.id).filter { form["site-\($0)"] == "yes" }), days: form["days"])
    do {
      _ = try (form.required("name"), form.required("csr"))
      _ = try form.integer("days", in: 1...45)
      return visit.html(visit.view.certificatePage(try await trust.addLocalClient(typed, actor: visit.actor)))
    } catch {
      let problems = Self.problems.merging(["name": .badLocalName]) { first, _ in first }
      let failure = try Failure(showing: error).explained(by: problems)
      return visit.html(visit.view.newLocalClientPage(typed, sites: sites, failure: failure), failing: failure)
    }
  }

  // MARK: revocations

  private var revocationRoutes: [Route] {
    [
      page("/access/revocations") { visit in
        visit.html(
          visit.view.revocationsPage(try await trust.revocations(), RevocationForm(), notice: visit.notice))
      },
      write("/access/revocations") { visit, form in
        let typed = RevocationForm(
          reason: form["reason"], certificate: form["certificate"], key: form["key_sha256"])
        do {
          _ = try form.required("reason")
          try await trust.revoke(typed, actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error).explained(by: Self.problems)
          let page = visit.view.revocationsPage(
            try await trust.revocations(), typed, notice: nil, failure: failure)
          return visit.html(page, failing: failure)
        }
        return visit.redirect("/access/revocations", .revoked)
      },
      page("/storage-elements/{id}/revoke", write: true) { visit in
        visit.html(visit.view.revokeElementPage(try await element(visit), reason: ""))
      },
      write("/storage-elements/{id}/revoke") { visit, form in
        let element = try await element(visit)
        do {
          try await trust.revokeElement(element.id, reason: try form.required("reason"), actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error).explained(by: Self.problems)
          let page = visit.view.revokeElementPage(element, reason: form["reason"], failure: failure)
          return visit.html(page, failing: failure)
        }
        return visit.redirect("/storage-elements/\(element.id)", .revoked)
      },
    ]
  }

  // MARK: registering

  private var registrationRoutes: [Route] {
    [
      page("/storage-elements/register", write: true) { visit in
        visit.html(visit.view.registerPage(ClaimForm(url: visit.request.query["url"] ?? "")))
      },
      write("/storage-elements/register") { visit, form in
        var typed = Self.claimForm(form)
        do {
          _ = try (form.required("url"), form.required("name"))
          typed.priority = try form.integer("priority", in: 0...10_000)
          let element = try await trust.register(typed, actor: visit.actor)
          return visit.redirect("/storage-elements/\(element.id)", .registered)
        } catch {
          let failure = try Failure(showing: error).explained(by: Self.claimProblems)
          return visit.html(visit.view.registerPage(typed, failure: failure), failing: failure)
        }
      },
    ]
  }
}
