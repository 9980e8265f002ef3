/// How the fleet is run.
public struct FleetConfiguration: Sendable {
  /// The life of appliance certificates; renewed past two thirds of it.
  public var applianceCertificateLife: Duration
  /// The life of the client certificates of our own roles.
  public var roleCertificateLife: Duration
  public var healthInterval: Duration
  public var syncInterval: Duration
  /// How often each replica looks for syncs that nobody does: another's work is taken over within this.
  public var takeoverInterval: Duration
  /// Lines asked for in one page of a listing or feed.
  public var pageLinesMax: Int
  /// Id ranges a full sync is cut into, and how many of one appliance are pulled at once.
  public var rangesMax: Int
  public var rangesParallelMax: Int
  /// Pages of the change feed in one sync: an appliance that never ends does not keep a job for ever.
  public var feedPagesMax: Int
  /// How often an incremental sync also compares digests.
  public var digestInterval: Duration
  /// Appliances talked to at once by periodic jobs.
  public var parallelMax: Int
  /// Documents that lazy cleanup may mark missing per appliance and hour.
  public var lazyMarksPerHourMax: Int

  public init(
    applianceCertificateLife: Duration = .seconds(90 * 86_400), roleCertificateLife: Duration = .seconds(30 * 86_400),
    healthInterval: Duration = .seconds(15), syncInterval: Duration = .seconds(3600),
    takeoverInterval: Duration = .seconds(10), pageLinesMax: Int = 5000, rangesMax: Int = 16,
    rangesParallelMax: Int = 4, feedPagesMax: Int = 10_000, digestInterval: Duration = .seconds(3000),
    parallelMax: Int = 16, lazyMarksPerHourMax: Int = 50
  ) {
    self.applianceCertificateLife = applianceCertificateLife
    self.roleCertificateLife = roleCertificateLife
    self.healthInterval = healthInterval
    self.syncInterval = syncInterval
    self.takeoverInterval = takeoverInterval
    self.pageLinesMax = pageLinesMax
    self.rangesMax = rangesMax
    self.rangesParallelMax = rangesParallelMax
    self.feedPagesMax = feedPagesMax
    self.digestInterval = digestInterval
    self.parallelMax = parallelMax
    self.lazyMarksPerHourMax = lazyMarksPerHourMax
  }
}
