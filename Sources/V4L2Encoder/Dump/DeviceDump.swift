/// Everything that a driver says of itself, to be kept, compared and imitated.
///
/// Nothing in it tells whose machine it is: no host name, no serial numbers, no user. The JSON form
/// is described in docs/devices.md. A virtual device can take on what was written down, see
/// `VirtualDevice.Personality.init(recorded:)`.
public struct DeviceDump: Hashable, Sendable {
  /// The version of the form; a reader refuses newer ones.
  public static let currentVersion = 1

  package var version = currentVersion
  package var machine = Machine()
  /// The node's path below `/dev`, else its name only.
  package var node = ""
  /// What discovery calls it, in the words of `DeviceReport.Kind`.
  package var kind = ""
  package var identity = Identity()
  package var queues: [Queue] = []
  package var controls: [Control] = []
  package var selections: [Selection] = []
  /// What became of requests that can be tried without any effect, by C name.
  package var answers: [Answer] = []

  package init() {}

  /// The driver's name.
  public var driver: String { identity.driver }
  /// The board's name, if it has a device tree.
  public var board: String? { machine.board }
}

extension DeviceDump {
  /// Where the device was met.
  package struct Machine: Hashable, Sendable {
    package var board: String?
    /// Such as `Linux 6.6.31`.
    package var kernel = ""
    package var architecture = ""
    package init() {}
  }

  /// What `VIDIOC_QUERYCAP` answers.
  package struct Identity: Hashable, Sendable {
    package var driver = ""
    package var card = ""
    package var bus = ""
    /// Such as `6.6.31`.
    package var version = ""
    package var capabilities = Bits(0)
    package var deviceCapabilities = Bits(0)
    package init() {}
  }

  /// One queue of buffers.
  package struct Queue: Hashable, Sendable {
    /// `output` (raw frames of an encoder) or `capture` (its encoded bytes).
    package var direction = ""
    /// The kernel's number, `V4L2_BUF_TYPE_*`.
    package var type = 0
    package var formats: [Format] = []
    package var current: Picture?
    /// What became of formats that were tried.
    package var trials: [Trial] = []
    /// Frames per second in force, as a fraction.
    package var frameRate: String?
    /// Kinds of memory with the error of `VIDIOC_REQBUFS` or `ok`.
    package var memory: [Answer] = []
    /// `V4L2_BUF_CAP_*`.
    package var bufferCapabilities: Bits?
    package init() {}
  }

  package struct Format: Hashable, Sendable {
    package var fourCC = FourCC(0)
    package var name = ""
    package var flags = Bits(0)
    package var sizes: [SizeRange] = []
    package init() {}
  }

  /// Sizes with the frame rates of the largest one; a single size has equal limits.
  package struct SizeRange: Hashable, Sendable {
    package var minimum = ""
    package var maximum = ""
    package var step = ""
    package var rates: [RateRange] = []
    package init() {}
  }

  package struct RateRange: Hashable, Sendable {
    package var slowest = ""
    package var fastest = ""
    package init() {}
  }

  /// A format as `VIDIOC_G_FMT` and `VIDIOC_TRY_FMT` answer it.
  package struct Picture: Hashable, Sendable {
    package var fourCC = FourCC(0)
    package var size = ""
    /// Bytes of a line and of the whole, for each piece of memory.
    package var bytesPerLine: [Int] = []
    package var byteCounts: [Int] = []
    /// `V4L2_COLORSPACE_*`, `XFER_FUNC`, `YCBCR_ENC`, `QUANTIZATION`.
    package var colors: [Int] = []
    package init() {}
  }

  /// A format that was tried, by `VIDIOC_TRY_FMT`.
  package struct Trial: Hashable, Sendable {
    package var fourCC = FourCC(0)
    package var size = ""
    /// The `sizeimage` asked for.
    package var byteCount = 0
    package var granted: Picture?
    package var error: String?
    package init() {}
  }

  package struct Control: Hashable, Sendable {
    package var id = Bits(0)
    package var title = ""
    package var kind = ""
    package var minimum = 0
    package var maximum = 0
    package var step = 0
    package var initial = 0
    package var current: Int?
    package var items: [Item] = []
    /// Such as `read-only`.
    package var marks: [String] = []
    package init() {}
  }

  package struct Item: Hashable, Sendable {
    package var value = 0
    package var name = ""
    package init() {}
  }

  package struct Selection: Hashable, Sendable {
    package var target = ""
    /// Such as `1920x1080@0,0`.
    package var rectangle: String?
    package var error: String?
    package init() {}
  }

  /// What became of a request or of something else that was tried: an error's symbol, or `ok`.
  package struct Answer: Hashable, Sendable {
    package var name = ""
    package var result = ""

    package init() {}

    package init(_ name: String, _ failure: Errno?) {
      self.name = name
      result = failure?.description ?? "ok"
    }

    package var isMissing: Bool { result == Errno.notSupported.description }
  }
}
