internal import Core

/// OpenTelemetry's protocol over HTTP, in its JSON form (opentelemetry-proto 1.x, `ExportTraceServiceRequest`).
public enum OTLP {
  public static let mediaType = "application/json"

  /// A request's body. `service` is what worked, `instance` which one of them.
  public static func traces(_ spans: [TraceSpan], service: String, instance: String) -> [UInt8] {
    JSONWriter.document { json in
      json.object { json in
        json.key("resourceSpans")
        json.array { json in
          json.object { json in
            json.key("resource")
            json.object { json in
              json.key("attributes")
              json.array { json in
                attribute(&json, "service.name", service)
                attribute(&json, "service.instance.id", instance)
                attribute(&json, "service.version", Product.version)
              }
            }
            json.key("scopeSpans")
            json.array { json in
              json.object { json in
                json.key("scope")
                json.object { $0.member("name", "artstore") }
                json.key("spans")
                json.array { json in for span in spans { write(span, to: &json) } }
              }
            }
          }
        }
      }
    }
  }

  /// `SPAN_KIND_SERVER` and `STATUS_CODE_ERROR` by their numbers; numbers of 64 bits are texts in protobuf's JSON.
  private static func write(_ span: TraceSpan, to json: inout JSONWriter) {
    let start = span.start.microseconds
    json.object { json in
      json.member("traceId", span.traceID)
      json.member("spanId", span.spanID)
      if let parent = span.parentID { json.member("parentSpanId", parent) }
      json.member("name", span.name)
      json.member("kind", 2)
      json.member("startTimeUnixNano", "\(start)000")
      json.member("endTimeUnixNano", "\(start + max(0, span.durationMicroseconds))000")
      json.key("attributes")
      json.array { json in
        json.object { json in
          json.member("key", "http.response.status_code")
          json.key("value")
          json.object { $0.member("intValue", String(span.status)) }
        }
      }
      json.key("status")
      json.object { if span.failed { $0.member("code", 2) } }
    }
  }

  private static func attribute(_ json: inout JSONWriter, _ key: String, _ value: String) {
    json.object { json in
      json.member("key", key)
      json.key("value")
      json.object { $0.member("stringValue", value) }
    }
  }
}
