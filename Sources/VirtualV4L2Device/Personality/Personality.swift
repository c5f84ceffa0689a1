extension VirtualDevice {
  /// What a driver is like: a plain value, from which the model takes everything that differs from
  /// one encoder to the next.
  ///
  /// ``spec`` follows the kernel's documentation of stateful encoders; the others do what the
  /// source of a real driver does, as far as it was read there, and what was not read is as in
  /// ``spec``.
  public struct Personality: Hashable, Sendable {
    /// The word that chooses it on a command line, such as `bcm2835`.
    public var name: String
    /// What it imitates, in one line.
    public var summary: String
    /// What `VIDIOC_QUERYCAP` answers.
    package var identity: Identity
    /// Which of V4L2's two buffer interfaces it speaks.
    package var interface: Configuration.Interface
    /// The formats of the OUTPUT queue (raw frames) in the order of ENUM_FMT.
    package var rawFormats: [RawFormat]
    /// The formats of the CAPTURE queue (encoded bytes) in the order of ENUM_FMT.
    package var codedFormats: [CodedKind]
    /// Which pictures it takes.
    package var geometry = Geometry()
    /// How large CAPTURE buffers are.
    package var codedBufferSize = CodedBufferSize.generous
    /// Which part of a buffer may be encoded.
    package var crop = CropRule.anywhere
    /// Where S_PARM is taken.
    package var frameRate = FrameRateRule()
    /// The controls, titles included.
    package var controls: [ControlDefinition]
    /// What is in force where there is no control for it, by control id.
    package var fixedValues: [UInt32: Int64] = [:]
    /// The only controls that QUERYCTRL describes, without name and type; nil describes all well.
    package var describedControls: Set<UInt32>?
    /// The only controls that can be set while buffers are allocated; nil lets all be set.
    package var runTimeControls: Set<UInt32>?
    /// Controls that make the next frame a key frame, whatever they are set to.
    package var keyFrameControls = [StandardControl.forceKeyFrame.identifier] as Set
    /// The controls that set the distance of key frames; the first that is not 0 counts.
    package var keyFrameDistance: [CodedKind.Codec: [StandardControl]] = [
      .h264: [.h264IPeriod, .gopSize], .hevc: [.gopSize],
    ]
    /// Controls that are one setting with several names: all take the value of any.
    package var linkedControls: Set<UInt32> = []
    /// Numbers and kinds of buffers.
    package var buffers = BufferRule()
    /// How a drain goes and how encoding goes on after it.
    package var drain = DrainRule()
    /// What poll(2) reports.
    package var polling = Polling.complete
    /// Which events can be subscribed to.
    package var events = EventRule()
    /// What the frame-type flags of a packet's buffer say.
    package var frameTypes = FrameTypeFlags.right
    /// Requests it answers with an error number, usually ENOTTY, whatever is asked.
    package var lackingRequests: [UInt: Int32] = [:]
    /// What no value above can say.
    package var deviations: Set<Deviation> = []
  }
}

extension VirtualDevice.Personality {
  /// Every personality there is, ``spec`` first.
  public static let all: [VirtualDevice.Personality] = [
    .spec, .bcm2835, .coda, .iris, .nvidia, .rkmpp, .s5pMFC, .venus, .wave5,
  ]

  /// The personality of this name; nil when there is none.
  public static func named(_ name: String) -> VirtualDevice.Personality? {
    all.first { $0.name == name }
  }

  func has(_ deviation: Deviation) -> Bool { deviations.contains(deviation) }
}
