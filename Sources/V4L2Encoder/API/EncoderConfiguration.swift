/// How bits are spent.
public enum RateControl: Hashable, Sendable {
  /// The same bitrate at all times, in bit/s.
  case constant(bitrate: Int)
  /// An average bitrate with peaks, both in bit/s.
  case variable(bitrate: Int, peak: Int)
  /// The same quantizer for every picture; the bitrate follows from the content.
  case constantQuantizer(Int)

  /// The target in bit/s, if there is one.
  public var bitrate: Int? {
    switch self {
    case .constant(let bitrate), .variable(let bitrate, _): bitrate
    case .constantQuantizer: nil
    }
  }

  /// What a level must allow, in bit/s, if there is a limit.
  package var highestBitrate: Int? {
    switch self {
    case .constant(let bitrate), .variable(_, let bitrate): bitrate
    case .constantQuantizer: nil
    }
  }
}

/// Bounds of the quantizer, 0 (best) to 51 (smallest).
public struct QuantizerRange: Hashable, Sendable {
  /// The quantizer of the first picture; nil leaves it to the driver.
  public var initial: Int?
  /// The lowest quantizer allowed.
  public var minimum: Int
  /// The highest quantizer allowed.
  public var maximum: Int

  /// Creates bounds.
  public init(initial: Int? = nil, minimum: Int = 10, maximum: Int = 51) {
    self.initial = initial
    self.minimum = minimum
    self.maximum = maximum
  }
}

/// How long things may take before they are called a failure.
public struct Deadlines: Hashable, Sendable {
  /// Opening, configuring and restarting the device.
  public var setup: Duration
  /// From one sign of life of a working device to the next.
  public var progress: Duration
  /// For the reader to take a packet when all places for packets are full.
  public var consumer: Duration
  /// After the driver's end-of-stream event, how long to wait for a last buffer.
  public var silence: Duration

  /// Creates deadlines.
  public init(
    setup: Duration = .seconds(10), progress: Duration = .seconds(5),
    consumer: Duration = .seconds(10), silence: Duration = .milliseconds(200)
  ) {
    self.setup = setup
    self.progress = progress
    self.consumer = consumer
    self.silence = silence
  }
}

/// A control and its value, for what has no name of its own in the configuration.
public struct ControlSetting: Hashable, Sendable {
  /// The kernel's control number, `V4L2_CID_*`.
  public var id: UInt32
  /// The value, menu controls by their index.
  public var value: Int64

  /// Creates a setting of a control by its number.
  public init(id: UInt32, value: Int64) {
    self.id = id
    self.value = value
  }

  /// Creates a setting of a control that has a name; a driver with numbers of its own gets its own.
  public init(_ control: EncoderControl, _ value: Int64) {
    self.init(id: control.id, value: value)
  }
}

/// What a driver's picture may be when it cannot take the frame's size.
public enum OddSizePolicy: Hashable, Sendable {
  /// Refuse sizes that 4:2:0 video cannot have.
  case refuse
  /// Leave out the last column or row.
  case crop
}

/// Everything that is asked of an encoder.
///
/// ``VideoEncoder/update(_:)`` changes some of it at any time, ``VideoEncoder/reconfigure(_:)``
/// most of it while the encoder stays open.
public struct EncoderConfiguration: Hashable, Sendable {
  /// The size of the frames and of the encoded picture.
  public var size: VideoSize
  /// How the frames' pixels are laid out.
  public var inputFormat: PixelFormat
  /// Where the frames come from.
  public var inputMemory: InputMemory
  /// Frames per second.
  public var frameRate: Rational
  /// The unit of all times, in seconds.
  public var timeBase: Rational
  /// How bits are spent.
  public var rateControl: RateControl
  /// Pictures from one key frame to the next, 1 for key frames only.
  public var keyFrameInterval: Int
  /// The profile; nil asks for the codec's most widely decodable one with good compression
  /// (H.264 High, HEVC Main), or the best that the driver lists.
  public var profile: CodecProfile?
  /// The level; nil computes the lowest that allows size, rate and bitrate.
  public var level: CodecLevel?
  /// Bounds of the quantizer.
  public var quantizer: QuantizerRange
  /// Bidirectional pictures between two others; 0 keeps decode order equal to display order.
  public var bidirectionalFrames: Int
  /// What the colours mean; written into the stream where the driver can.
  public var color: ColorDescription
  /// Whether odd sizes are refused or cropped.
  public var oddSizes: OddSizePolicy
  /// What `encode` does with a frame while every input buffer is in use.
  public var admission: AdmissionPolicy
  /// How long it may take from `encode` to the packet; nil for any time.
  ///
  /// A frame that is expected to take longer is dropped (`late`) instead of being given to the
  /// device, while it waits at the latest when its time is over; the policy `fail` throws
  /// `wouldBlock` instead. What is expected follows from the frames inside the device and from how
  /// fast packets came so far, so a device that slows down is noticed with its next packet, or when
  /// that is late. Frames that find the device idle are always taken, since dropping could not make
  /// them faster, and what it keeps back on purpose (`bidirectionalFrames`) does not count.
  public var latencyBudget: Duration?
  /// How the frame rate is lowered while the device cannot keep up with a live source; nil leaves
  /// it alone.
  ///
  /// What counts as an overrun is a frame that is dropped or refused for want of room, or that
  /// waits for a buffer while there is no latency budget. The driver is not told of the lower rate,
  /// so each picture gets the bits that it got before; `update(_:)` can tell it. Buffers on loan
  /// count as frames when they are queued.
  public var rateReduction: FrameRateReduction?
  /// Buffers for raw frames; the driver may raise it.
  public var inputBuffers: Int
  /// Buffers for encoded pictures; the driver may raise it.
  public var outputBuffers: Int
  /// Packets that may wait for the reader before back pressure starts.
  public var packetCapacity: Int
  /// How long things may take.
  public var deadlines: Deadlines
  /// How the NAL units of packets are told apart.
  public var bitstreamForm: BitstreamForm
  /// Whether every picture begins with an access unit delimiter, which MPEG transport streams and
  /// HLS want.
  ///
  /// They come from the driver where it has `V4L2_CID_MPEG_VIDEO_AU_DELIMITER`, from the library
  /// otherwise. False leaves the choice to the driver; wave5 writes them unasked.
  public var accessUnitDelimiters: Bool
  /// Whether ``EncodedPacket/averageQuantizer`` is read from the slices of every picture.
  public var measuresQuantizer: Bool
  /// Controls set after all others.
  public var additionalControls: [ControlSetting]

  /// Creates a configuration with sensible values for live video.
  ///
  /// The key frame interval is two seconds and the colour description the usual one of the size.
  public init(
    size: VideoSize, inputFormat: PixelFormat = .i420, frameRate: Rational = Rational(30),
    rateControl: RateControl
  ) {
    self.size = size
    self.inputFormat = inputFormat
    self.inputMemory = .copied
    self.frameRate = frameRate
    self.timeBase = Rational(1, 1_000_000)
    self.rateControl = rateControl
    let twoSeconds = (frameRate.value * 2).rounded()
    // A rate that cannot be is refused when the encoder is opened, not here.
    self.keyFrameInterval =
      twoSeconds.isFinite ? Int(max(1, min(twoSeconds, 1_000_000))) : 1
    self.profile = nil
    self.level = nil
    self.quantizer = QuantizerRange()
    self.bidirectionalFrames = 0
    self.color = .usual(for: size)
    self.oddSizes = .refuse
    self.admission = .wait
    self.latencyBudget = nil
    self.rateReduction = nil
    self.inputBuffers = 4
    self.outputBuffers = 4
    self.packetCapacity = 64
    self.deadlines = Deadlines()
    self.bitstreamForm = .annexB
    self.accessUnitDelimiters = false
    self.measuresQuantizer = false
    self.additionalControls = []
  }
}
