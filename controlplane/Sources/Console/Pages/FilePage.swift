internal import Core
internal import StorageAPI

extension View {
  func filePage(_ file: FileDetails, notice: Notice?) -> HTML {
    let record = file.record
    return page(record.originalFilename) {
      Tag.div(.class("page-header")) {
        Tag.div(.class("page-title")) {
          Tag.h1 { name(record.originalFilename) }
          Tag.p(.class("lead-line")) {
            format.size(record.size) + " · "
            time(record.uploadedAt)
          }
        }
        Tag.div(.class("page-actions")) {
          if record.status == .active, file.missingSince == nil {
            Tag.a(.class("btn btn-primary"), .href("/files/\(record.fileID)/download"), Attribute("download", "")) {
              icon(.download)
              Tag.span(t(.download))
            }
          }
          if canWrite, file.isDeletable, record.status == .active {
            linkButton(t(.delete), "/files/\(record.fileID)/delete", icon: .delete, style: "outline-danger")
          }
        }
      }
      self.notice(notice)
      if file.missingSince != nil { alert(.warning, title: t(.fileMissing), t(.fileMissingText)) }
      card(t(.details), icon: .file) { facts(fileFacts(file)) }
    }
  }

  private func fileFacts(_ file: FileDetails) -> [(name: String, value: HTML)] {
    let record = file.record
    var rows: [(name: String, value: HTML)] = [
      (t(.state), fileStatusBadge(record)),
      (t(.size), HTML("\(format.size(record.size)) (\(format.count(record.size)) \(t(.bytes)))")),
      (t(.contentType), Tag.code(record.contentType, .class("user-text"))),
      (t(.uploadedBy), name(record.uploadedBy)),
      (t(.uploadedAt), fullTime(record.uploadedAt)),
      (t(.retention), HTML(t(.name(of: record.retentionPolicy)))),
    ]
    if let expires = record.expiresAt { rows.append((t(.expiresAt), fullTime(expires))) }
    if let description = record.description, !description.isEmpty {
      rows.append((t(.description), Tag.span(description, .class("user-text pre-line"), Attribute("dir", "auto"))))
    }
    if let tags = tagPills(record.tags) { rows.append((t(.tags), tags)) }
    if let storage = file.storageName { rows.append((t(.storedOn), name(storage))) }
    rows.append((t(.checksum), Tag.code(record.checksum.description, .class("user-text"))))
    rows.append((t(.fileID), Tag.code(record.fileID.description, .class("user-text"))))
    if let metadata = record.metadata, !metadata.isEmpty {
      let bytes = JSONWriter.document { $0.value(.object(metadata)) }
      rows.append((t(.metadata), Tag.code(String(decoding: bytes, as: UTF8.self), .class("user-text"))))
    }
    return rows
  }

  func deleteFilePage(_ file: FileDetails, failure: Failure? = nil) -> HTML {
    confirmationPage(
      t(.deleteFileTitle), to: "/files/\(file.record.fileID)/delete", back: "/files/\(file.record.fileID)",
      button: t(.delete), isDangerous: true, failure: failure
    ) {
      Tag.p { name(file.record.originalFilename) }
      Tag.p(t(.deleteFileText))
    }
  }

  /// console.js sends the chosen files one by one and shows each one's progress; without it the form itself sends one.
  func uploadPage(failure: Failure? = nil) -> HTML {
    page(t(.uploadDocuments)) {
      Tag.div(.class("narrow")) {
        header(t(.uploadDocuments), lead: t(.uploadLead))
        self.failure(failure)
        card {
          Tag.form(
            .post, .action("/files/upload"), .id("upload-form"), Attribute("enctype", "multipart/form-data"),
            Attribute("data-done", t(.uploadDone)), Attribute("data-failed", t(.uploadFailed)),
            Attribute("data-waiting", t(.uploadWaiting)), Attribute("data-checking", t(.uploadChecking)),
            Attribute("data-network", t(.uploadNetwork)), Attribute("data-cancelled", t(.uploadCancelled)),
            Attribute("data-cancel", t(.cancel)), Attribute("data-open", t(.open)),
            Attribute("data-retry", t(.retry))
          ) {
            csrfField
            field(t(.description), id: "f-description") { id, _ in
              HTML(
                .input, [.class("form-control"), .id(id), .name("description"), Attribute("maxlength", "1000")], .empty)
            }
            input(t(.tags), name: "tags", help: t(.tagsHelp))
            retentionFields
            Tag.div(.class("drop-area"), .id("drop-area")) {
              icon(.upload)
              Tag.label(t(.chooseFiles), .class("form-label"), .for("f-file"))
              Tag.p(t(.dropHint), .class("script-only"))
              Tag.input(.class("form-control"), .type("file"), .name("file"), .id("f-file"), .required)
            }
            Tag.div(.class("button-row")) {
              submit(t(.upload), icon: .upload)
              linkButton(t(.backToFiles), "/files", style: "outline-secondary")
            }
          }
          Tag.ul(.class("upload-list"), .id("upload-list"), .label(t(.uploads)))
          Tag.p("", .class("visually-hidden"), .id("upload-status"), .role("status"))
        }
      }
    }
  }

  private var retentionFields: HTML {
    Tag.div(.class("two-fields")) {
      choice(
        t(.retention), name: "retention_policy",
        options: RetentionPolicy.allCases.map { ($0.rawValue, t(.name(of: $0))) },
        selected: RetentionPolicy.temporary.rawValue, help: t(.retentionHelp))
      input(
        t(.ttlDays), name: "ttl_days", value: "30", type: "number", help: t(.ttlHelp),
        more: Attribute("min", "1"), Attribute("max", "365"))
    }
  }
}
