/// A camera, or another V4L2 device that captures pictures.
///
/// Its buffers are exported as DMABUFs where the driver can do that, so that an encoder opened
/// with `inputMemory` reads them in place. Dropping the source closes the camera.
///
/// The loss of the signal does not end the frames: they come again with the signal, in another
/// size if it is another one (`CapturedFrame.format`). The observer is told, and how long it may
/// last is `CaptureConfiguration.signalPatience`.
public final class CaptureSource: Sendable {
  private let engine: CaptureEngine

  private init(engine: CaptureEngine) { self.engine = engine }

  deinit { engine.requestClose() }

  /// Opens a camera, sets format and rate, and starts it.
  ///
  /// A camera without a signal opens, too: its format is then that of the last signal, and frames
  /// come when there is one.
  ///
  /// - Throws: `deviceUnavailable`, `deviceBusy`, `unsupported`, `invalidConfiguration`,
  ///   `outOfMemory`, `deviceStalled`, `deviceLost` or `protocolViolation`.
  public static nonisolated(nonsending) func open(
    _ configuration: CaptureConfiguration, on device: DeviceSelector,
    observer: CaptureObserver = CaptureObserver()
  ) async throws(EncoderError) -> CaptureSource {
    CaptureSource(
      engine: try await CaptureEngine.open(configuration, on: device, observer: observer))
  }

  /// Asks a camera what it offers, without starting it; possible while another program uses it.
  ///
  /// Blocks while the camera is opened and asked.
  ///
  /// - Parameters:
  ///   - device: the camera, by its path.
  ///   - limit: how long it may take to answer.
  /// - Returns: its inputs and formats.
  /// - Throws: `deviceUnavailable`, `unsupported` for a device that is no camera,
  ///   `invalidConfiguration` without a path, `deviceStalled` or `deviceLost`.
  public static func offers(
    of device: DeviceSelector, within limit: Duration = Deadlines().setup
  ) throws(EncoderError) -> CameraReport {
    let (path, transport) = try device.camera
    return try CameraExamination(path: path).examine(transport, within: limit)
  }

  /// What the frames are like at present.
  public var current: CaptureFormat { engine.current }
  /// The pictures' layout at present.
  public var format: PixelFormat { current.format }
  /// The pictures' size at present.
  public var size: VideoSize { current.size }
  /// The rate in force, if the driver tells.
  public var frameRate: Rational? { current.frameRate }
  /// What an encoder must be told to read the frames in place.
  public var inputMemory: InputMemory { current.inputMemory }
  /// What was asked for and is not as asked at present, in words.
  public var differences: [String] { engine.differences }
  /// Counts since the opening.
  public var statistics: CaptureStatistics { engine.statistics }
  /// Frames that were lost so far.
  public var framesLost: Int { statistics.framesLost }

  /// The pictures in order; single-pass.
  ///
  /// The sequence ends after `close`; it fails with `noSignal`, `deviceLost`, `deviceStalled` or
  /// with what kept the camera from being set up for another signal.
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
