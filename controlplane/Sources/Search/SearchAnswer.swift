internal import Core
public import StorageAPI

/// One page of what was found.
public struct SearchAnswer: Sendable {
  public struct Item: Sendable {
    public let record: FileRecord
    /// Higher is better; nil where nobody asked for relevance.
    public let rank: Double?
  }

  public struct FacetValue: Sendable, Hashable {
    public let value: String
    public let count: Int

    public init(value: String, count: Int) {
      self.value = value
      self.count = count
    }
  }

  public var items: [Item] = []
  public var total = 0
  /// Counted up to `SearchIndex.totalMax`; beyond it the total is a lower bound.
  public var totalIsExact = true
  public var limit = 0
  public var offset = 0
  public var hasMore = false
  public var nextCursor: String?
  public var facets: [(facet: SearchRequest.Facet, values: [FacetValue])] = []
  /// What could not be done in time; empty when the answer is whole.
  public var omitted: [String] = []
}

extension SearchAnswer {
  /// The contract's list answer.
  public var json: [UInt8] {
    JSONWriter.document(reserving: 640 * (items.count + 1)) { json in
      json.object { json in
        json.key("items")
        json.array { json in
          for item in items {
            json.object { json in
              json.members(of: item.record)
              if let rank = item.rank {
                json.key("rank")
                json.number(rank)
              }
            }
          }
        }
        json.member("total", total)
        json.member("total_is_exact", totalIsExact)
        json.member("limit", limit)
        json.member("offset", offset)
        json.member("has_more", hasMore)
        if let nextCursor { json.member("next_cursor", nextCursor) }
        if !facets.isEmpty { writeFacets(&json) }
        json.member("partial", !omitted.isEmpty)
        if !omitted.isEmpty {
          json.key("omitted")
          json.array { json in for what in omitted { json.string(what) } }
        }
      }
    }
  }

  private func writeFacets(_ json: inout JSONWriter) {
    json.key("facets")
    json.object { json in
      for (facet, values) in facets {
        json.key(facet.rawValue)
        json.array { json in
          for value in values {
            json.object { json in
              json.member("value", value.value)
              json.member("count", value.count)
            }
          }
        }
      }
    }
  }
}
