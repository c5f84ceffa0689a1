/// What may be asked for one frame.
public struct FrameOptions: Hashable, Sendable {
  /// Make this frame a key frame.
  ///
  /// Drivers read the request with the next frame they take: while earlier frames still wait in
  /// the device, one of them may become the key frame. Where the driver has no control for it,
  /// everything before the frame is drained first (``NegotiationReport/KeyFrameMethod/restart``).
  public var forceKeyFrame: Bool
  /// Wait for room whatever ``EncoderConfiguration/admission`` says, because the frame was taken
  /// before.
  package var waitsForRoom = false
  /// The key frame was asked for with a frame that was dropped, not with this one.
  package var inheritsKeyFrame = false

  /// Creates options.
  public init(forceKeyFrame: Bool = false) { self.forceKeyFrame = forceKeyFrame }
}

/// Turns raw frames into packets.
///
/// Frames go in by `encode`, packets come out of `packets`; read them from another task, since a
/// device whose packets nobody takes stops taking frames.
///
/// An app may bring an encoder of its own, such as one in software for `onDeviceLost` of
/// ``RecoveringEncoder``. One without a device has no buffers to lend: `nextInputBuffer()` throws
/// `unsupported`.
public protocol VideoEncoder: Sendable {
  /// The packets in decode order; single-pass.
  associatedtype Packets: AsyncSequence<EncodedPacket, EncoderError> & Sendable

  /// What is asked of the driver now: that of the opening, with what was changed since.
  var configuration: EncoderConfiguration { get }

  /// What the driver granted, and every difference from what was asked.
  var negotiated: NegotiationReport { get }

  /// The packets in decode order; single-pass.
  ///
  /// The sequence ends after `close` and throws when the device fails. It does not end at a
  /// drain, after which encoding may go on. A reader who would rather lose packets up to a key
  /// frame than hold up the encoder reads from a ``PacketBroadcast``.
  var packets: Packets { get }

  /// Queues one frame; suspends while the device holds every input buffer, unless
  /// ``EncoderConfiguration/admission`` says otherwise.
  ///
  /// The frame's bytes are copied or converted before the call returns, or held by reference while
  /// the frame waits in a queue. For a frame that is dropped the call returns as for any other;
  /// `EncoderEvent.frameDropped` and `EncoderStatistics.framesDropped` report it, and a key frame
  /// that was asked for with it is made of the next frame that is not.
  ///
  /// - Throws: `invalidFrame`; `consumerStalled` or `buffersLent` when no buffer becomes free;
  ///   `wouldBlock` when the policy is `fail` and there is no room; `unsupported` for a key frame
  ///   on demand that the driver does not make; `deviceStalled`, `deviceLost`, `deviceBusy`,
  ///   `outOfMemory`, `unsupported` or `protocolViolation` for what the device answers; `cancelled`
  ///   or `closed`. After any of them no packet comes for this frame.
  nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError)

  /// Lends the next mapped input buffer, to render into without a copy.
  ///
  /// Suspends while every buffer is in use; only the policy `fail` makes it throw `wouldBlock`
  /// then, since nothing was rendered yet that could be dropped.
  ///
  /// - Throws: as `encode(_:options:)`; `unsupported` when the encoder reads frames where they are.
  nonisolated(nonsending) func nextInputBuffer() async throws(EncoderError) -> InputBuffer

  /// Queues a buffer that `nextInputBuffer` lent.
  ///
  /// The buffer stays good over a drain, unless the driver is opened anew for it (``drain()``). It
  /// has its place already and passes frames that wait for one. After an error it belongs to the
  /// encoder again.
  ///
  /// - Throws: as `encode(_:options:)`; `invalidFrame` for a buffer of another encoder.
  nonisolated(nonsending) func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError)

  /// Changes settings while frames are encoded, and says what became of each.
  ///
  /// They come into force with one of the next frames. Drivers that take them only while the
  /// queues are stopped, or when they are opened, are drained and started again, or opened anew,
  /// which makes the next frame a key frame, and buffers on loan useless where it is opened anew.
  /// Without `mayDrain` nothing is drained, and the outcomes say so.
  ///
  /// - Throws: `invalidConfiguration` for values that leave their ranges or do not fit what is in
  ///   force; where it is drained, as `drain()`.
  nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome]

  /// Makes the next frame that the device takes a key frame, sooner than `FrameOptions` can: that
  /// may be one which waits in the device already.
  ///
  /// Where the driver has no control for it, everything is drained, so that the next frame that is
  /// encoded is a key frame.
  ///
  /// - Throws: `unsupported` when the driver makes none on demand; otherwise as `drain()`.
  nonisolated(nonsending) func requestKeyFrame() async throws(EncoderError)

  /// Goes on with another size, pixel format or whatever else is negotiated.
  ///
  /// Frames that were queued, or waited to be, come out first. Then both queues are stopped
  /// and their buffers freed, everything is negotiated as at the opening, and the next frame
  /// becomes a key frame with parameter sets of its own. Controls that were set before and are not
  /// in the new configuration, such as dropped `additionalControls`, keep their values, but for
  /// those of drivers that have to be opened anew. `packets` and `statistics` go on; `negotiated`
  /// is the new one, and ``EncoderEvent/reconfigured(_:)`` says when. A frame that does not fit any
  /// more, and a lent buffer of before, is refused with `invalidFrame`.
  ///
  /// What the driver refuses leaves the configuration that was in force: encoding may go on with
  /// it.
  ///
  /// - Throws: `invalidConfiguration`, also for what cannot change while an encoder is open: time
  ///   base, packet capacity, deadlines, how packets look, admission, latency budget, rate
  ///   reduction and `measuresQuantizer`; `unsupported`; `buffersLent` when
  ///   everything is on loan, or when the driver frees no buffers while one is; `outOfMemory` or
  ///   `protocolViolation`; `deviceUnavailable` or `deviceBusy` where the device has to be opened
  ///   anew and cannot be, which ends the session; otherwise as `drain()`.
  @discardableResult
  nonisolated(nonsending) func reconfigure(
    _ configuration: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport

  /// Waits until every queued frame's packet is in `packets`; encoding may go on afterwards.
  ///
  /// Drivers of which nothing more comes then (s5p-mfc, wave5) are opened anew for the next frame;
  /// a buffer that was lent before is refused afterwards with `invalidFrame`.
  ///
  /// - Throws: `consumerStalled`, `deviceStalled`, `deviceLost`, `cancelled` or `closed`.
  nonisolated(nonsending) func drain() async throws(EncoderError)

  /// Gives the device back; packets that are already out can still be read.
  nonisolated(nonsending) func close() async

  /// What happened so far.
  var statistics: EncoderStatistics { get }
}

extension VideoEncoder {
  /// Sets one control while frames are encoded; see ``update(_:)``.
  ///
  /// - Throws: as `update(_:)`.
  public nonisolated(nonsending) func set(
    _ control: EncoderControl, to value: Int64
  ) async throws(EncoderError) -> ControlOutcome.Result {
    let settings = DynamicSettings(controls: [ControlSetting(control, value)])
    return try await update(settings).last?.result ?? .unsupported
  }

  /// Goes on with frames of another size or format; see ``reconfigure(_:)``.
  ///
  /// - Parameters:
  ///   - size: the size of the frames and of the encoded picture; nil leaves it.
  ///   - format: how the frames' pixels are laid out; nil leaves it.
  /// - Returns: what the driver granted.
  /// - Throws: as `reconfigure(_:)`.
  @discardableResult
  public nonisolated(nonsending) func changeInput(
    size: VideoSize? = nil, format: PixelFormat? = nil
  ) async throws(EncoderError) -> NegotiationReport {
    var configuration = configuration
    configuration.size = size ?? configuration.size
    configuration.inputFormat = format ?? configuration.inputFormat
    return try await reconfigure(configuration)
  }

  /// Queues one frame without options.
  ///
  /// - Throws: as `encode(_:options:)`.
  public nonisolated(nonsending) func encode(_ frame: VideoFrame) async throws(EncoderError) {
    try await encode(frame, options: FrameOptions())
  }
}
