extension Text {
  /// How a site stands.
  static let englishStanding: [Text: String] = [
    .standing: "How it stands",
    .answeredPolls: "Answered polls, last two days",
    .aloneFor: "Can be left without contact for",
    .aloneCertificate: "Until its certificate ends",
    .aloneLocalClients: "Until the first local client's certificate ends",
    .aloneChangeLog: "Until deletions are forgotten and a full sync is needed",
    .aloneKeyBundle: "Until the fleet's authority ends",
    .journalPinned: "Journal",
    .journalSound: "as it was pinned",
    .journalNotPinned: "not what was pinned",
    .journalUnchecked: "not compared yet",
    .journalRewritten: "The journal on this storage element was changed",
    .journalRewrittenText: """
    History is not what the control plane kept of it. Leave the disk as it is and run “artstore-appliance \
    journal verify” on the host. An older copy that was restored without “init --adopt” shows so as well.
    """,
    .trendFromTo: "Used: from {0} on {1} to {2} on {3}",
    .growsBy: "Grows by {0} a day",
    .emptiesBy: "Empties by {0} a day",
    .trendUnknown: "Less than a day is known: there is no trend yet.",
  ]

  static let russianStanding: [Text: String] = [
    .standing: "Положение дел",
    .answeredPolls: "Ответы на опросы за двое суток",
    .aloneFor: "Обойдётся без связи",
    .aloneCertificate: "До конца сертификата",
    .aloneLocalClients: "До конца сертификата первого местного клиента",
    .aloneChangeLog: "До забвения удалений, затем нужна полная синхронизация",
    .aloneKeyBundle: "До конца удостоверяющего центра парка",
    .journalPinned: "Журнал",
    .journalSound: "тот, что закреплён",
    .journalNotPinned: "не тот, что закреплён",
    .journalUnchecked: "ещё не сверялся",
    .journalRewritten: "Журнал на этом устройстве изменён",
    .journalRewrittenText: """
    История не та, что сохранила управляющая часть. Не трогайте диск и выполните на узле «artstore-appliance \
    journal verify». Так же выглядит старая копия, восстановленная без «init --adopt».
    """,
    .trendFromTo: "Занято: от {0} на {1} до {2} на {3}",
    .growsBy: "Прибывает по {0} в сутки",
    .emptiesBy: "Убывает по {0} в сутки",
    .trendUnknown: "Известно меньше суток: судить о темпе рано.",
  ]
}
