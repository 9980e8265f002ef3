internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI

extension Console {
  var storageRoutes: [Route] { storagePages + storageActions }

  private var storagePages: [Route] {
    [
      page("/storage-elements") { visit in
        visit.html(visit.view.storageListPage(try await fleet.storageElements(), notice: visit.notice))
      },
      page("/storage-elements/claim", write: true) { visit in visit.html(visit.view.claimPage(ClaimForm())) },
      page("/storage-elements/{id}") { visit in
        visit.html(visit.view.storagePage(try await element(visit), notice: visit.notice))
      },
      page("/storage-elements/{id}/mode", write: true) { visit in
        let element = try await element(visit)
        let target = try Self.target(visit.request.query["target"], of: element)
        return visit.html(visit.view.modePage(element, target: target))
      },
      page("/storage-elements/{id}/accept-loss", write: true) { visit in
        visit.html(visit.view.acceptLossPage(try await element(visit)))
      },
      page("/storage-elements/{id}/remove", write: true) { visit in
        visit.html(visit.view.removeStoragePage(try await element(visit)))
      },
    ]
  }

  private var storageActions: [Route] {
    [
      write("/storage-elements/discover") { visit, form in try await discover(visit, form) },
      write("/storage-elements/claim") { visit, form in try await claim(visit, form) },
      write("/storage-elements/{id}") { visit, form in
        let element = try await element(visit)
        do {
          try await fleet.update(
            element.id, name: try form.required("name"), priority: try form.integer("priority", in: 0...10_000),
            actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error)
          return visit.html(visit.view.storagePage(element, notice: nil, failure: failure), failing: failure)
        }
        return visit.redirect("/storage-elements/\(element.id)", .saved)
      },
      write("/storage-elements/{id}/sync") { visit, _ in
        let element = try await element(visit)
        do {
          let report = try await fleet.sync(element.id, actor: visit.actor)
          return visit.redirect(
            "/storage-elements/\(element.id)",
            .synced(
              added: report.added, updated: report.updated, deleted: report.deleted, unchanged: report.unchanged))
        } catch {
          let failure = try Failure(showing: error)
          return visit.html(visit.view.storagePage(element, notice: nil, failure: failure), failing: failure)
        }
      },
      write("/storage-elements/{id}/accept-loss") { visit, _ in
        let element = try await element(visit)
        do {
          try await fleet.acceptLoss(element.id, actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error)
          return visit.html(visit.view.acceptLossPage(element, failure: failure), failing: failure)
        }
        return visit.redirect("/storage-elements/\(element.id)", .lossAccepted)
      },
      write("/storage-elements/{id}/mode") { visit, form in try await transition(visit, form) },
      write("/storage-elements/{id}/remove") { visit, form in
        let element = try await element(visit)
        do {
          try await fleet.remove(element.id, force: form["force"] == "yes", actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error)
          return visit.html(visit.view.removeStoragePage(element, failure: failure), failing: failure)
        }
        return visit.redirect("/storage-elements", .removed)
      },
    ]
  }

  func element(_ visit: Visit) async throws -> StorageElement {
    guard let element = try await fleet.storageElement(visit.request.parameter("id")) else {
      throw APIError(.notFound, "there is no such storage element")
    }
    return element
  }

  private static func target(_ text: String?, of element: StorageElement) throws(APIError) -> ApplianceMode {
    guard let target = text.flatMap({ ApplianceMode(rawValue: $0) }), element.mode.transition(to: target) != .refused
    else { throw APIError(.invalidTransition, "\(element.mode.rawValue) cannot be changed to that mode here") }
    return target
  }

  /// What is wrong with a field of a claim, in the reader's words.
  static let claimProblems: [String: Text] = [
    "url": .badAddress, "claim_code": .badClaimCode, "name": .badElementName, "priority": .badPriority,
  ]

  static func claimForm(_ form: Form) -> ClaimForm {
    ClaimForm(
      name: form["name"], url: form["url"], claimCode: form["claim_code"], priority: Int(form["priority"]) ?? 100)
  }

  private func discover(_ visit: Visit, _ form: Form) async throws -> Response {
    let typed = Self.claimForm(form)
    var discovery: Discovery?
    var failure: Failure?
    do {
      discovery = try await fleet.discover(url: try form.required("url"), actor: visit.actor)
    } catch {
      failure = try Failure(showing: error).explained(by: Self.claimProblems)
    }
    if visit.wantsPart("discovery") { return visit.html(visit.view.discoveryPart(discovery, failure: failure)) }
    return visit.html(
      visit.view.claimPage(typed, discovery: discovery, failure: failure), failure?.status ?? .ok)
  }

  private func claim(_ visit: Visit, _ form: Form) async throws -> Response {
    var typed = Self.claimForm(form)
    do {
      _ = try (form.required("name"), form.required("url"), form.required("claim_code"))
      typed.priority = try form.integer("priority", in: 0...10_000)
      let element = try await fleet.claim(typed, actor: visit.actor)
      return visit.redirect("/storage-elements/\(element.id)", .claimed)
    } catch {
      let failure = try Failure(showing: error).explained(by: Self.claimProblems)
      return visit.html(visit.view.claimPage(typed, failure: failure), failing: failure)
    }
  }

  /// Reaching here is the confirmation: the form stands on a page of its own that says what it means.
  private func transition(_ visit: Visit, _ form: Form) async throws -> Response {
    let element = try await element(visit)
    let target = try Self.target(form["target"], of: element)
    do {
      try await fleet.transition(element.id, to: target, actor: visit.actor)
    } catch {
      let failure = try Failure(showing: error)
      return visit.html(visit.view.modePage(element, target: target, failure: failure), failing: failure)
    }
    return visit.redirect("/storage-elements/\(element.id)", .modeChanged)
  }
}
