/// Counters of one encoder since it was opened.
public struct EncoderStatistics: Hashable, Sendable {
  /// Frames that the device took.
  public var framesIn = 0
  /// Frames that `encode` took and that were not given to the device.
  public var framesDropped = DroppedFrames()
  /// Frames for which the device had no room at first: they waited, were dropped or refused.
  public var overruns = 0
  /// Of how many frames one is encoded now (``EncoderConfiguration/rateReduction``).
  public var frameRateDivisor = 1
  /// Frames that wait in the queue of ``AdmissionPolicy/dropOldest(queue:)``.
  public var framesWaiting = 0
  /// Packets that came out.
  public var packetsOut = 0
  /// Key frames among the packets.
  public var keyFrames = 0
  /// Frames for which the driver returned no picture.
  public var framesSkipped = 0
  /// Packets marked as spoiled.
  public var corruptPackets = 0
  /// Encoded bytes.
  public var bytesOut = 0
  /// Bytes of pictures that were copied or converted, padding not counted; zero while the driver
  /// reads every frame where it is, or the application renders into `nextInputBuffer()`.
  public var bytesCopied = 0
  /// Frames that are inside the encoder now.
  public var framesInFlight = 0
  /// Requests made to the device while streaming (`ioctl`), without set-up.
  public var deviceRequests = 0
  /// Waits of the event loop, each of which ended with a wake-up.
  public var waits = 0
  /// Drains that were completed.
  public var drains = 0
  /// How often another encoder has taken over from one that failed.
  public var recoveries = 0
  /// Pictures in buffers of the device's own that were lost with it.
  public var framesLost = 0

  /// Encoded bytes of the key frames.
  public var keyFrameBytes = 0
  /// Packets that wait to be read; with `EncoderConfiguration.packetCapacity` of them the device
  /// rests.
  public var packetsWaiting = 0
  /// From `encode` to the packet, over all packets; nil before the first one.
  public var latency: LatencySummary?
  /// The device's part of it: from handing the frame to the driver to taking the packet from it.
  public var deviceLatency: LatencySummary?
  /// The rest of it: waiting for an input buffer, bringing the frame into it, and copying and
  /// reading the packet.
  public var addedLatency: LatencySummary?
  /// The bitrate that is to be reached now, in bit/s; nil with a constant quantizer.
  public var targetBitrate: Int?
  /// The bitrate of everything so far, in bit/s; nil before the first packet.
  ///
  /// A bitrate counts the time that the frames last, as the drivers' rate control does: they know a
  /// frame rate, not the frames' times. It is the same for a file, encoded faster than it plays.
  public var averageBitrate: Int?
  /// The bitrate of the last second of frames, in bit/s.
  public var recentBitrate: Int?
  /// Whether the encoder was closed or has failed, so that nothing new will be counted.
  public var hasEnded = false

  /// Creates zeroed counters.
  public init() {}

  /// The mean size of key frames, in bytes; nil before the first one.
  public var meanKeyFrameBytes: Int? { keyFrames > 0 ? keyFrameBytes / keyFrames : nil }
}

extension EncoderStatistics {
  /// The same measures, with the counts of an earlier encoder added.
  func following(_ earlier: EncoderStatistics) -> EncoderStatistics {
    var sum = self
    sum.framesIn += earlier.framesIn
    sum.framesDropped.add(earlier.framesDropped)
    sum.overruns += earlier.overruns
    sum.packetsOut += earlier.packetsOut
    sum.keyFrames += earlier.keyFrames
    sum.framesSkipped += earlier.framesSkipped
    sum.corruptPackets += earlier.corruptPackets
    sum.bytesOut += earlier.bytesOut
    sum.bytesCopied += earlier.bytesCopied
    sum.deviceRequests += earlier.deviceRequests
    sum.waits += earlier.waits
    sum.drains += earlier.drains
    sum.recoveries += earlier.recoveries
    sum.framesLost += earlier.framesLost
    sum.keyFrameBytes += earlier.keyFrameBytes
    return sum
  }
}

/// How long packets took; to one part in 64.
public struct LatencySummary: Hashable, Sendable {
  /// Half of the packets took no longer.
  public var median: Duration
  /// 95 of 100 packets took no longer.
  public var percentile95: Duration
  /// 99 of 100 packets took no longer.
  public var percentile99: Duration
  /// The slowest packet.
  public var maximum: Duration

  /// Creates a summary.
  public init(
    median: Duration, percentile95: Duration, percentile99: Duration, maximum: Duration
  ) {
    self.median = median
    self.percentile95 = percentile95
    self.percentile99 = percentile99
    self.maximum = maximum
  }
}
