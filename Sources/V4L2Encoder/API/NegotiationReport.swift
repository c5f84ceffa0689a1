/// What became of one thing that was asked of the driver.
public struct ControlOutcome: Hashable, Sendable {
  /// What the driver did.
  public enum Result: Hashable, Sendable {
    /// It took the value.
    case applied
    /// It took another value, which was read back.
    case adjusted(to: Int64)
    /// It took the value, but says nothing when asked for it.
    case unverified
    /// It has no such control.
    case unsupported
    /// It has the control but refuses the value.
    case refused(Errno)
    /// It was not asked, because drivers of its family are known to misunderstand it; why.
    case leftOut(String)
  }

  /// The control's standard name without `V4L2_CID_MPEG_VIDEO_`, such as `BITRATE`, or the name
  /// of what was asked by another request, such as `frame rate`.
  public let name: String
  /// The kernel's control number; 0 for what is no control, such as the frame rate.
  public let id: UInt32
  /// The value asked for.
  public let requested: Int64
  /// What became of it.
  public let result: Result

  /// The name of a frame rate's outcome, whose values are frames in a thousand seconds.
  public static let frameRateName = "frame rate, 1/1000 per second"

  /// Creates an outcome.
  public init(name: String, id: UInt32, requested: Int64, result: Result) {
    self.name = name
    self.id = id
    self.requested = requested
    self.result = result
  }
}

/// What the driver granted.
public struct NegotiationReport: Hashable, Sendable {
  /// The driver's name and the device's own, from `VIDIOC_QUERYCAP`.
  public var driver = ""
  /// The device's name.
  public var card = ""
  /// The name of the family of drivers that the device was recognised as.
  public var family = ""
  /// The node's path, or what stands for it.
  public var path = ""
  /// Whether the multi-planar API is used.
  public var isMultiplanar = false
  /// The compressed format of the CAPTURE queue (encoded bytes).
  public var codedFormat = PixelFormat.h264
  /// The raw format of the OUTPUT queue (frames).
  public var rawFormat = PixelFormat.nv12
  /// The size of the picture that is encoded.
  public var visibleSize = VideoSize(width: 0, height: 0)
  /// The size of the buffers, with the driver's padding.
  public var bufferSize = VideoSize(width: 0, height: 0)
  /// Bytes per row of each of the driver's memory planes.
  public var bytesPerLine: [Int] = []
  /// Bytes of each of the driver's memory planes.
  public var planeSizes: [Int] = []
  /// Bytes that one encoded picture may have.
  public var codedBufferSize = 0
  /// Buffers granted for frames.
  public var inputBuffers = 0
  /// Buffers granted for encoded pictures.
  public var outputBuffers = 0
  /// Whether frames are copied as they are (true) or converted.
  public var isPassThrough = false
  /// Whether the driver reads the frames where they are (`InputMemory`).
  public var isZeroCopy = false
  /// How colours are converted, such as `RGB to Y'CbCr: BT.709, limited range`; nil when only
  /// samples are moved.
  public var conversion: String?
  /// The frame rate in force.
  public var frameRate = Rational(0)
  /// The queues on which a frame rate is set, the one in force last.
  package var frameRateQueues: [QueueDirection] = [.output]
  /// The profile asked for.
  public var profile: CodecProfile?
  /// The level asked for, computed unless the configuration names one.
  public var level: CodecLevel?
  /// The colour description in force on the OUTPUT queue.
  public var color = ColorDescription.bt709
  /// Who writes the parameter sets of later key frames.
  public var parameterSets = ParameterSetSource.inserted
  /// How a key frame is made on demand.
  public var keyFrames = KeyFrameMethod.control
  /// Every control asked for, in order.
  public var controls: [ControlOutcome] = []
  /// Everything that is not as asked, in words, one thing per line.
  public var differences: [String] = []

  /// Creates a report of nothing, to be filled in.
  public init() {}

  /// How a key frame is made on demand.
  public enum KeyFrameMethod: Hashable, Sendable {
    /// The driver is asked for it; a driver without such a control refuses by name.
    case control
    /// The driver has no control for it: everything is drained and the queues are started again,
    /// which costs the time that the frames inside the device take.
    case restart
  }

  /// Who writes the parameter sets of later key frames.
  public enum ParameterSetSource: Hashable, Sendable {
    /// The driver repeats them.
    case driver
    /// The library inserts those it has seen wherever the driver leaves them out.
    case inserted
  }
}

extension NegotiationReport {
  /// What was agreed on, in one line.
  public var summary: String {
    let way = isZeroCopy ? "read in place" : isPassThrough ? "copied" : conversion ?? "rearranged"
    let padding = bufferSize == visibleSize ? "" : " in \(bufferSize)"
    return "\(path) (\(driver), \(isMultiplanar ? "multi" : "single")-planar): "
      + "\(rawFormat) \(visibleSize)\(padding), frames \(way), to \(codedFormat)"
      + (profile.map { " \($0.name)" } ?? "") + (level.map { " level \($0.name)" } ?? "")
      + ", \(frameRate) frames per second, \(inputBuffers)+\(outputBuffers) buffers"
  }
}
