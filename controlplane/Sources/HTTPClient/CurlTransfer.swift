internal import CCurl
internal import Core
internal import HTTP
internal import Reactor

/// One libcurl connection and the transfer on it, driven by the task that uses it: libcurl says which sockets to watch
/// (multi-socket interface), an epoll set of ours holds them, and the task waits for that set on the reactor.
/// So there is no thread of its own, backpressure is the task's own pace, and cancellation is dropping it.
final class CurlTransfer: @unchecked Sendable {  // one task drives a transfer at a time; lent by the client's lock
  let easy: UnsafeMutableRawPointer
  let multi: UnsafeMutableRawPointer
  let poller: CInt
  let time: any TimeSource
  /// Whose connection this is: it is reused only for the same.
  let origin: String
  let tls: ClientTLS?
  var lastUse: Duration = .zero

  // The exchange under way.
  var response = ResponseHead()
  var received: [UInt8] = []
  var isReceivePaused = false
  var upload = Upload()
  var result: CURLcode?
  var timer: Duration?
  var isAttached = false
  var sentBytes = false
  var headerList: UnsafeMutablePointer<curl_slist>?
  var expectedIdentity: UnsafeMutablePointer<CChar>?
  var errorText: UnsafeMutablePointer<CChar>
  /// What `ClientConnection` wants to know of the TLS connection, taken while a transfer is on it.
  var exporterLabel: String?
  var peer: TLSPeer?

  static let receiveMax = 256 * 1024

  struct ResponseHead {
    var status = 0
    var fields: [(name: String, value: String)] = []
    var bytes = 0
    var isComplete = false
    var isTooLarge = false
  }

  struct Upload {
    var next: (@Sendable () async throws -> [UInt8]?)?
    var chunk: [UInt8] = []
    var offset = 0
    var isEnded = true
    /// `chunk` is the whole body, and the method is idempotent: libcurl may send it again on a new connection when a
    /// kept one turns out to be closed (RFC 9110 §9.2.2).
    var mayRestart = false
    /// libcurl asked for more than there was.
    var isStarved = false
    var failure: String?
  }

  init(origin: String, tls: ClientTLS?, time: any TimeSource) throws(HTTPClientError) {
    guard let easy = curl_easy_init(), let multi = curl_multi_init() else {
      throw HTTPClientError(.overloaded, "libcurl has no memory for a connection")
    }
    let poller = epoll_create1(CInt(EPOLL_CLOEXEC))
    guard poller >= 0 else {
      curl_easy_cleanup(easy)
      curl_multi_cleanup(multi)
      throw HTTPClientError(.overloaded, "no file descriptor is free for a connection")
    }
    self.easy = easy
    self.multi = multi
    self.poller = poller
    self.origin = origin
    self.tls = tls
    self.time = time
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    artstore_multi_callbacks(multi, onSocket, onTimer, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    detach()
    curl_easy_cleanup(easy)
    curl_multi_cleanup(multi)
    close(poller)
    curl_slist_free_all(headerList)
    expectedIdentity?.deallocate()
    errorText.deallocate()
  }
}
