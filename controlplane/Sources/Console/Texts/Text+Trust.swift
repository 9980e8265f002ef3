/// Local clients, revoked keys, registering without a code.
extension Text {
  static let englishTrust: [Text: String] = [
    .localClients: "Local clients",
    .localClientsLead: "Client systems that may work at their sites by certificate while the control plane is away.",
    .noLocalClientsTitle: "No local clients",
    .noLocalClientsText: "Where none is named, nobody can work at a site that is cut off from the control plane.",
    .newLocalClient: "New local client",
    .newLocalClientLead: "Its key is made at the client; only the request for a certificate comes here.",
    .localNameHelp: """
    1–64 letters, digits, dots, hyphens or underscores. The certificate will say artstore://client/<name>.
    """,
    .certificateRequest: "Certificate request",
    .certificateRequestHelp: "PKCS #10 in PEM, for example from openssl req -new -key client.key -subj /CN=client.",
    .sites: "Storage elements",
    .termDays: "Days",
    .termDaysHelp: "1–45. Renew it before it ends: a site that is cut off cannot be told later.",
    .identityInCertificate: "Identity in the certificate",
    .keyHash: "Key (SHA-256)",
    .keyHashHelp: "64 hexadecimal digits: the SHA-256 of the public key (SPKI), as it stands in the lists here.",
    .renewTerm: "Renew for 45 days",
    .removeClient: "Remove",
    .removeClientTitle: "Remove the local client {0}?",
    .removeClientText: """
    Its key is revoked: each storage element refuses it from the next contact on, and it can never be named again. A \
    site that is cut off learns of it when the contact is back.
    """,
    .certificateTitle: "The certificate was signed",
    .certificateLead: "Give it to the client, whose key belongs to it. Nothing in it is secret.",
    .certificate: "Certificate",
    .certificateSaved: "To the local clients",
    .certificateOrKey: "In PEM. Either this or the key below.",
    .revokedKeys: "Revoked keys",
    .revokedKeysLead: "Their certificates count no longer, here at once and at each site from its next contact on.",
    .noRevocationsTitle: "Nothing is revoked",
    .noRevocationsText: "Keys of removed local clients and of revoked storage elements will stand here.",
    .revokeKey: "Revoke a key",
    .revokeKeyLead: "For the certificate of a client that is in wrong hands. A revocation cannot be taken back.",
    .reason: "Reason",
    .subject: "Identity",
    .revokeCertificate: "Revoke certificate",
    .revokeCertificateTitle: "Revoke the certificate of {0}?",
    .revokeCertificateText: """
    Nobody of the control plane talks to this storage element any more: its documents cannot be reached. The way \
    back is a new key, made on its host with artstore-appliance claim-code --again --new-key, and a new claim.
    """,
    .certificateRevoked: "Its certificate is revoked",
    .certificateRevokedText: "Since {0}. Reason: {1}. Make a new key on its host and claim it again.",
    .registerAgain: "Register without a claim code",
    .registerLead: """
    For a storage element that this fleet claimed before and does not know any more, as after a restored database. Its \
    certificate proves it.
    """,
    .registerLink: "It was of this fleet before: register it without a claim code",
    .register: "Register",
    .applianceOurs: "It says that it is of this fleet: it can be registered without a claim code.",
    .noticeRegistered: "The storage element is registered; its documents will be listed shortly.",
    .noticeRevoked: "The key is revoked.",
    .noticeClientRemoved: "The local client was removed and its key revoked.",
    .badLocalName: "1–64 of the letters A–Z, a–z, digits, dot, hyphen and underscore are needed.",
    .badCSR: "This is no certificate request: PKCS #10 in PEM is needed, signed by its own key, 16 KiB at most.",
    .badScopes: "Choose at least one scope.",
    .badSites: "Choose 1–100 storage elements.",
    .badDays: "A whole number from 1 to 45 is needed.",
    .badReason: "Give a reason of 1–400 characters in one line.",
    .badCertificate: "Give either one certificate in PEM or the key, not both.",
    .badKeyHash: "64 hexadecimal digits are needed.",
    .badClaimCode: "This is no claim code, or it is mistyped: it has nine groups of five letters and digits.",
    .badAddress: "An address like https://archive.example:8010 is needed, without user, path or query.",
    .badElementName: "1–100 characters in one line are needed.",
    .badPriority: "A whole number from 0 (filled first) to 10000 is needed.",
    .clockWrong: "Its clock is wrong",
    .clockWrongText: """
    It differs from the control plane's by {0} s. Tokens are still checked, for it was told the time; but it removes \
    nothing until its clock is right. Set the clock on its host.
    """,
    .faultDatabase: "PostgreSQL did not answer in the middle of it. The next sync goes on.",
  ]

  static let russianTrust: [Text: String] = [
    .localClients: "Местные клиенты",
    .localClientsLead: "Системы, работающие на своих площадках по сертификату, пока управляющая часть недоступна.",
    .noLocalClientsTitle: "Местных клиентов нет",
    .noLocalClientsText: "Пока никто не назначен, на отрезанной от управляющей части площадке работать некому.",
    .newLocalClient: "Новый местный клиент",
    .newLocalClientLead: "Ключ создаётся у клиента; сюда приходит только запрос на сертификат.",
    .localNameHelp: """
    1–64 латинские буквы, цифры, точки, дефисы или подчёркивания. В сертификате будет artstore://client/<имя>.
    """,
    .certificateRequest: "Запрос на сертификат",
    .certificateRequestHelp: "PKCS #10 в PEM, например от openssl req -new -key client.key -subj /CN=client.",
    .sites: "Хранилища",
    .termDays: "Дней",
    .termDaysHelp: "1–45. Продлите до истечения: отрезанной площадке потом не сообщить.",
    .identityInCertificate: "Имя в сертификате",
    .keyHash: "Ключ (SHA-256)",
    .keyHashHelp: "64 шестнадцатеричные цифры: SHA-256 открытого ключа (SPKI), как в здешних списках.",
    .renewTerm: "Продлить на 45 дней",
    .removeClient: "Удалить",
    .removeClientTitle: "Удалить местного клиента {0}?",
    .removeClientText: """
    Его ключ будет отозван: каждое хранилище откажет ему со следующего соединения, и назначить его снова нельзя. \
    Отрезанная площадка узнает об этом, когда связь вернётся.
    """,
    .certificateTitle: "Сертификат подписан",
    .certificateLead: "Передайте его клиенту, у которого лежит ключ. Секретного в нём ничего нет.",
    .certificate: "Сертификат",
    .certificateSaved: "К местным клиентам",
    .certificateOrKey: "В PEM. Либо он, либо ключ ниже.",
    .revokedKeys: "Отозванные ключи",
    .revokedKeysLead: "Их сертификаты больше не действуют: здесь сразу, на каждой площадке — со следующего соединения.",
    .noRevocationsTitle: "Отозванных ключей нет",
    .noRevocationsText: "Здесь появятся ключи удалённых местных клиентов и отозванных хранилищ.",
    .revokeKey: "Отозвать ключ",
    .revokeKeyLead: "Для сертификата клиента, попавшего в чужие руки. Отменить отзыв нельзя.",
    .reason: "Причина",
    .subject: "Чей",
    .revokeCertificate: "Отозвать сертификат",
    .revokeCertificateTitle: "Отозвать сертификат хранилища {0}?",
    .revokeCertificateText: """
    Управляющая часть больше не будет обращаться к этому хранилищу: его документы станут недоступны. Вернуть его можно \
    новым ключом (на его узле: artstore-appliance claim-code --again --new-key) и новой привязкой.
    """,
    .certificateRevoked: "Сертификат отозван",
    .certificateRevokedText: "С {0}. Причина: {1}. Создайте на его узле новый ключ и привяжите снова.",
    .registerAgain: "Зарегистрировать без кода",
    .registerLead: """
    Для хранилища, которое здесь уже привязывали и больше не знают, например после восстановления базы. Его \
    сертификат это доказывает.
    """,
    .registerLink: "Оно уже было привязано: зарегистрировать без кода",
    .register: "Зарегистрировать",
    .applianceOurs: "Оно сообщает, что привязано к этой системе: его можно зарегистрировать без кода.",
    .noticeRegistered: "Хранилище зарегистрировано; его документы скоро появятся.",
    .noticeRevoked: "Ключ отозван.",
    .noticeClientRemoved: "Местный клиент удалён, его ключ отозван.",
    .badLocalName: "Нужны 1–64 знака: латинские буквы, цифры, точка, дефис, подчёркивание.",
    .badCSR: "Это не запрос на сертификат: нужен PKCS #10 в PEM, подписанный своим ключом, не больше 16 КиБ.",
    .badScopes: "Выберите хотя бы одно право.",
    .badSites: "Выберите от 1 до 100 хранилищ.",
    .badDays: "Нужно целое число от 1 до 45.",
    .badReason: "Укажите причину: 1–400 знаков в одну строку.",
    .badCertificate: "Укажите либо один сертификат в PEM, либо ключ, но не оба.",
    .badKeyHash: "Нужны 64 шестнадцатеричные цифры.",
    .badClaimCode: "Это не код привязки или в нём опечатка: в коде девять групп по пять букв и цифр.",
    .badAddress: "Нужен адрес вида https://archive.example:8010 без имени пользователя, пути и запроса.",
    .badElementName: "Нужно от 1 до 100 знаков в одну строку.",
    .badPriority: "Нужно целое число от 0 (заполняется первым) до 10000.",
    .clockWrong: "Часы идут неверно",
    .clockWrongText: """
    Они расходятся с часами управляющей части на {0} с. Права по-прежнему проверяются, время устройству сообщено; но \
    оно ничего не удаляет, пока часы не исправлены. Установите часы на его узле.
    """,
    .faultDatabase: "PostgreSQL не ответил посередине. Следующая синхронизация продолжит.",
  ]
}
