/// Every text of the console. Its translations stand in tables: `Text+English`, `Text+Russian`, and those of one
/// subject. A test compares them, so that none is missing and all have the same places for values.
enum Text: String, CaseIterable, Sendable {
  // Navigation and frame
  case skipToContent, menu, mainNavigation, navDashboard, navFiles, navStorage, navAccess, navAudit, navSettings
  case signOut, language, theme
  // Signing in
  case signIn, signInButton, login, password, oneTimeCode, oneTimeCodeHelp, newPasswordTitle, newPasswordLead
  case oneTimePassword, currentPassword, newPassword, newPasswordHelp, repeatPassword, changePassword
  case passwordsDiffer, codeNeeded, wrongCredentials
  // General words
  case name, state, mode, actions, priority, capacity, version, size, bytes, tags, description, details, result, role
  case any, yes, no, never, expired, save, cancel, create, delete, download, upload, open, retry, find, copy, copied
  case succeeded, refused, failed, pages, firstPage, nextPage, notAvailable, partUnavailable
  // Dashboard
  case dashboardLead, keyFigures, tileStorage, tileStorageNote, tileDocuments, tileUsed, tileAttention, allWell
  case ofTotal, usedOf, usedOfTotal, freeSpace, notYetContacted, backgroundTasks, taskOK, taskFailed, taskWaiting
  case lastRun, nextRun, noTasksTitle, noTasksText, recentUploads
  // Storage elements
  case storageLead, addStorage, noStorageTitle, noStorageText, lastSync, lastContact, sync, provenEqual, clockOffset
  case certificateExpires, registered, storageID, notOnline, notOnlineText, statusOnline, statusOffline
  case syncFault, faultUnreachable, faultUntrusted, faultCut, faultBadPage, faultEndless, faultHistoryChanged
  case faultLinesRefused, faultUnequal, faultFailed
  case statusDegraded, statusMaintenance, modeEdit, modeRW, modeRO, modeAR, changeMode, changeModeTitle, switchTo
  case modeStaysEdit, modeStaysAR, modeARWarning, modeBackToRW, priorityHelp, daysToFull, days, lossHeld
  case lossHeldText, acceptLoss, acceptLossTitle, acceptLossText, noticeLoss, removeStorage, removeStorageTitle
  case removeStorageText, removeStorageForce, claimLead, address, addressHelp, checkAddress, claimCode, claimCodeHelp
  case nameHelp, claim, applianceAnswers, applianceFree, applianceClaimed
  // How a site stands
  case standing, answeredPolls, aloneFor, aloneCertificate, aloneLocalClients, aloneChangeLog, aloneKeyBundle
  case journalPinned, journalSound, journalNotPinned, journalUnchecked, journalRewritten, journalRewrittenText
  case trendFromTo, growsBy, emptiesBy, trendUnknown
  // Documents
  case filesLead, searchDocuments, searchMode, searchFulltext, searchPartial, searchExact, searchResults, moreFilters
  case applyFilters, clearSearch, fileExtension, tagsHelp, uploadedBy, uploadedAt, uploadedAfter, uploadedBefore
  case minSize, maxSize, order, orderRelevance, orderNewest, orderOldest, orderName, orderLargest, retention
  case permanent, temporary, fileActive, fileExpired, fileDeleted, found, foundAtLeast, partialAnswer, noFilesTitle
  case noFilesText, nothingFoundTitle, nothingFoundText, fileMissing, fileMissingText, contentType, expiresAt
  case storedOn, checksum, fileID, metadata, deleteFileTitle, deleteFileText
  // Uploading
  case uploadDocuments, uploadLead, chooseFiles, dropHint, retentionHelp, ttlDays, ttlHelp, backToFiles, uploads
  case uploadDone, uploadFailed, uploadWaiting, uploadChecking, uploadNetwork, uploadCancelled, chooseFileFirst
  case uploadMalformed, badTTL
  // Access
  case accessLead, administrators, serviceAccounts, secondFactor, lastSignIn, roleAdmin, roleReadonly, roleHelp
  case accountActive, suspended, locked, unlock, suspend, resume, resetPassword, thatIsYou, newAdministrator
  case newAccount, accountNameHelp, scopes, secretDays, secretDaysHelp, secretExpires, lastUsed, rotateSecret
  case noAccountsTitle, noAccountsText, clientID, secret, secretTitle, secretLead, secretPasswordLead, secretWarning
  case secretSaved, badRole
  // Local clients, revoked keys, registering without a code
  case localClients, localClientsLead, noLocalClientsTitle, noLocalClientsText, newLocalClient, newLocalClientLead
  case localNameHelp, certificateRequest, certificateRequestHelp, sites, termDays, termDaysHelp
  case identityInCertificate, keyHash, keyHashHelp, renewTerm, removeClient, removeClientTitle, removeClientText
  case certificateTitle, certificateLead, certificate, certificateSaved, certificateOrKey, revokedKeys, revokedKeysLead
  case noRevocationsTitle, noRevocationsText, revokeKey, revokeKeyLead, reason, subject, revokeCertificate
  case revokeCertificateTitle, revokeCertificateText, certificateRevoked, certificateRevokedText, registerAgain
  case registerLead, registerLink, register, applianceOurs, noticeRegistered, noticeRevoked, noticeClientRemoved
  case badLocalName, badCSR, badScopes, badSites, badDays, badReason, badCertificate, badKeyHash, badClaimCode
  case badAddress, badElementName, badPriority, clockWrong, clockWrongText, faultDatabase
  // Audit
  case auditLead, when, who, what, onWhat, fromWhere, noAuditTitle, noAuditText
  // Settings
  case settingsLead, appearance, themeDevice, themeLight, themeDark
  case sessions, signedInAt, thisSession, endSession, endOtherSessions, factorOn, factorOff, factorSetUp, factorRemove
  case factorLead, factorQR, factorConfirm, recoveryCodes, recoveryLead
  // What has been done
  case noticeClaimed, noticeSaved, noticeRemoved, noticeMode, noticeSynced, noticeUploaded, noticeDeleted
  case noticeSuspended, noticeResumed, noticeUnlocked, noticePassword, noticePreferences
  // What went wrong
  case errorTitle, errorInvalid, errorUnauthorized, errorForbidden, errorNotFound, errorConflict, errorMode
  case errorExpired, errorTooLarge, errorRange, errorChecksum, errorInfected, errorLocked, errorBusy, errorTimeout
  case errorInternal, errorUnavailable, errorFull, pageNotFound, readonlyRole, formExpired, formMalformed, unexpected
  case badNumber, missingField, backToDashboard

  /// As it stands in the tables.
  func pattern(_ language: Language) -> String? {
    switch language {
    case .english: Self.english[self] ?? Self.englishStanding[self] ?? Self.englishTrust[self]
    case .russian: Self.russian[self] ?? Self.russianStanding[self] ?? Self.russianTrust[self]
    }
  }

  /// The text in a language, with `{0}`, `{1}`… replaced by the values.
  func `in`(_ language: Language, _ values: [String] = []) -> String {
    // A missing entry shows its own name: ugly, but nothing breaks, and the test keeps it from happening.
    let pattern = pattern(language) ?? rawValue
    guard !values.isEmpty else { return pattern }
    // Piece by piece, so that a value which itself looks like a place is left alone.
    var out = ""
    var rest = Substring(pattern)
    while let open = rest.firstIndex(of: "{") {
      out += rest[..<open]
      let after = rest[rest.index(after: open)...]
      guard let close = after.firstIndex(of: "}"), let index = Int(after[..<close]), values.indices.contains(index)
      else {
        out += "{"
        rest = after
        continue
      }
      out += values[index]
      rest = after[after.index(after: close)...]
    }
    return out + rest
  }
}
