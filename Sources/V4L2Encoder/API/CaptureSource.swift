/// What a camera is asked for.
public struct CaptureConfiguration: Hashable, Sendable {
  /// The picture's size in pixels; the driver may choose another one.
  public var size: VideoSize
  /// How the pixels are to be laid out; must be one that the camera offers.
  public var format: PixelFormat
  /// Frames per second; nil leaves the rate to the driver.
  public var frameRate: Rational?
  /// Buffers; a frame that the application holds is one the camera cannot fill.
  public var buffers: Int
  /// How long the camera may take to open, and from one frame to the next.
  public var deadlines: Deadlines

  /// Creates a configuration.
  public init(
    size: VideoSize, format: PixelFormat = .nv12, frameRate: Rational? = nil, buffers: Int = 6
  ) {
    self.size = size
    self.format = format
    self.frameRate = frameRate
    self.buffers = buffers
    self.deadlines = Deadlines()
  }
}

/// One picture of a camera.
public struct CapturedFrame: Sendable {
  /// The picture; its presentation time is the driver's time stamp in microseconds.
  ///
  /// Its memory goes back to the camera when the last copy of the frame is dropped.
  public let frame: VideoFrame
  /// The driver's count of frames, which goes on when one is lost.
  public let sequence: UInt32
  /// Frames that the camera lost between the one before and this one.
  public let framesLostBefore: Int
  /// Whether the driver marked the picture as spoiled (`V4L2_BUF_FLAG_ERROR`).
  public let isCorrupt: Bool
}

/// A camera, or another V4L2 device that captures pictures.
///
/// Its buffers are exported as DMABUFs where the driver can do that, so that an encoder opened
/// with `inputMemory` reads them in place. Dropping the source closes the camera.
public final class CaptureSource: Sendable {
  private let engine: CaptureEngine

  private init(engine: CaptureEngine) { self.engine = engine }

  deinit { engine.requestClose() }

  /// Opens a camera, sets format and rate, and starts it.
  ///
  /// - Throws: `deviceUnavailable`, `deviceBusy`, `unsupported`, `invalidConfiguration`,
  ///   `outOfMemory`, `deviceStalled`, `deviceLost` or `protocolViolation`.
  public static nonisolated(nonsending) func open(
    _ configuration: CaptureConfiguration, on device: DeviceSelector
  ) async throws(EncoderError) -> CaptureSource {
    CaptureSource(engine: try await CaptureEngine.open(configuration, on: device))
  }

  /// The pictures' layout.
  public var format: PixelFormat { engine.format.format }
  /// The pictures' size, which the driver may have changed.
  public var size: VideoSize { engine.format.size }
  /// The rate in force, if the driver tells.
  public var frameRate: Rational? { engine.frameRate }
  /// What an encoder must be told to read the frames in place.
  public var inputMemory: InputMemory { engine.inputMemory }
  /// What was asked for and is not as asked, in words.
  public var differences: [String] { engine.differences }
  /// Frames that the camera lost so far.
  public var framesLost: Int { engine.framesLost }

  /// The pictures in order; single-pass.
  ///
  /// The sequence ends after `close`.
  public var frames: CaptureSequence { CaptureSequence(engine.mailbox) }

  /// Stops and closes the camera; frames that are held keep their memory until they are dropped.
  public nonisolated(nonsending) func close() async { await engine.close() }
}

/// The pictures of a camera; single-pass.
public struct CaptureSequence: AsyncSequence, Sendable {
  /// One picture.
  public typealias Element = CapturedFrame
  /// Why the stream ended early.
  public typealias Failure = EncoderError

  private let mailbox: Mailbox<CapturedFrame>

  init(_ mailbox: Mailbox<CapturedFrame>) { self.mailbox = mailbox }

  /// Takes pictures one by one.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let mailbox: Mailbox<CapturedFrame>

    /// Waits for the next picture; nil after `close` or when the task is cancelled.
    ///
    /// - Throws: the error that ended the capture.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(EncoderError) -> CapturedFrame? {
      try await mailbox.next()
    }

    /// Waits for the next picture; nil after `close` or when the task is cancelled.
    ///
    /// - Throws: the error that ended the capture.
    public mutating func next() async throws(EncoderError) -> CapturedFrame? {
      try await mailbox.next()
    }
  }

  /// Starts reading.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(mailbox: mailbox) }
}
