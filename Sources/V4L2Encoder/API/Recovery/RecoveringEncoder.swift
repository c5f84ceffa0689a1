/// An encoder that survives its device.
///
/// When the device is lost, stands still or answers what it should not, it is closed and opened
/// again as the policy says, and the frames whose packets had not come out are encoded again, in
/// their order. Meanwhile `encode`, `drain` and the reader wait. The first packet after that is a
/// key frame with ``EncodedPacket/isDiscontinuity`` set; every frame has its packet once, as
/// without the failure.
///
/// Frames are held by reference until their packets are out or the encoder is closed, so their
/// memory must not be written before it is released, and DMABUFs come back to their producer a
/// little later than from an encoder without recovery. A frame that the next encoder does not take
/// is reported as dropped (``FrameDropReason/refused(_:)``). Pictures in buffers that
/// `nextInputBuffer` lent belong to the device and are lost with it, each named by
/// ``EncoderEvent/frameLost(presentationTime:)``.
///
/// When the policy is exhausted, the error `recoveryFailed` has the frames that are not encoded.
public final class RecoveringEncoder: VideoEncoder {
  /// Opens one encoder after the other.
  ///
  /// The observer is to be given to the encoder; see ``DeviceLoss/observer``.
  public typealias Opening =
    @Sendable (EncoderConfiguration, EncoderObserver) async throws(EncoderError)
    -> any VideoEncoder

  /// Hands over another encoder instead of the lost one; nil tries the device again.
  ///
  /// It is asked before each attempt, and once more when none is left; not when
  /// ``RecoveryPolicy/limit`` has passed. The encoder's first packet must be a key frame, and must
  /// begin with the parameter sets if they are in the packets.
  public typealias Replacement =
    @Sendable (DeviceLoss) async throws(EncoderError) -> (any VideoEncoder)?

  private let recovery: Recovery

  private init(_ recovery: Recovery) { self.recovery = recovery }

  deinit { recovery.requestClose() }

  /// Opens the first encoder, without retries.
  ///
  /// - Parameters:
  ///   - configuration: what is asked of each encoder.
  ///   - policy: how hard it is tried to go on after a failure.
  ///   - observer: where the encoders and the recoveries are reported.
  ///   - onDeviceLost: may know another encoder.
  ///   - opening: opens an encoder, now and at every attempt.
  /// - Returns: the encoder.
  /// - Throws: what `opening` throws; `invalidConfiguration` for a policy with negative numbers.
  public static nonisolated(nonsending) func open(
    _ configuration: EncoderConfiguration, policy: RecoveryPolicy = RecoveryPolicy(),
    observer: EncoderObserver = EncoderObserver(), onDeviceLost: Replacement? = nil,
    opening: @escaping Opening
  ) async throws(EncoderError) -> RecoveringEncoder {
    RecoveringEncoder(
      try await Recovery.open(
        configuration, policy: policy, observer: observer, onDeviceLost: onDeviceLost,
        opening: opening))
  }

  /// What is asked of the present encoder, or of the next one.
  public var configuration: EncoderConfiguration { recovery.configuration }

  /// What the present encoder, or the last one, granted.
  public var negotiated: NegotiationReport { recovery.negotiated }

  /// The packets in decode order; single-pass.
  ///
  /// They go on over a recovery, which starts when the reader or a caller meets the failure.
  public var packets: RecoveringPacketSequence { RecoveringPacketSequence(recovery) }

  /// What happened so far in all encoders together, latencies and bitrates included.
  ///
  /// A frame's latency is that in the encoder that made its packet. What an encoder of another type
  /// measures (from `onDeviceLost`) stands for itself.
  public var statistics: EncoderStatistics { recovery.statistics }

  /// Queues one frame; see ``VideoEncoder/encode(_:options:)``.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`; the device's own error for a frame with
  ///   which it failed as often as the policy allows.
  public nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {
    try await recovery.encode(frame, options: options)
  }

  /// Lends the next mapped input buffer; see ``VideoEncoder/nextInputBuffer()``.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`.
  public nonisolated(nonsending) func nextInputBuffer() async throws(EncoderError) -> InputBuffer {
    while true {
      let current = try await recovery.readyEncoder()
      do throws(EncoderError) {
        return try await current.encoder.nextInputBuffer()
      } catch {
        try recovery.judge(error, of: current)
      }
    }
  }

  /// Queues a lent buffer; see ``VideoEncoder``.
  ///
  /// A picture that is lost with its device is reported by an event instead of an error.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`.
  public nonisolated(nonsending) func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {
    try await recovery.encode(
      buffer, presentationTime: presentationTime, duration: duration, options: options)
  }

  /// Changes settings while frames are encoded; later encoders get them too.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`.
  public nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome] {
    try await recovery.update(settings)
  }

  /// Makes the next frame that the device takes a key frame; see
  /// ``VideoEncoder/requestKeyFrame()``.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`.
  public nonisolated(nonsending) func requestKeyFrame() async throws(EncoderError) {
    try await recovery.requestKeyFrame()
  }

  /// Goes on with another size, pixel format or whatever else is negotiated, and so do later
  /// encoders; see ``VideoEncoder/reconfigure(_:)``.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`.
  @discardableResult
  public nonisolated(nonsending) func reconfigure(
    _ configuration: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport {
    try await recovery.reconfigure(configuration)
  }

  /// Waits until every queued frame's packet is out; see ``VideoEncoder/drain()``.
  ///
  /// - Throws: as the protocol says; `recoveryFailed`.
  public nonisolated(nonsending) func drain() async throws(EncoderError) {
    try await recovery.drain()
  }

  /// Gives the device back; an attempt to open it is left behind and closes what it opens.
  public nonisolated(nonsending) func close() async { await recovery.close() }
}

extension V4L2VideoEncoder {
  /// Opens an encoder that is opened again when its device fails; see ``RecoveringEncoder``.
  ///
  /// - Parameters:
  ///   - configuration: what is asked of the encoder.
  ///   - device: which device, now and at every attempt; `.automatic` may find another one then.
  ///   - policy: how hard it is tried to go on.
  ///   - observer: where the encoders and the recoveries are reported.
  ///   - onDeviceLost: may know another encoder.
  /// - Returns: the encoder.
  /// - Throws: as `open(_:on:observer:)`; `invalidConfiguration` for a policy with negative numbers.
  public static nonisolated(nonsending) func open(
    _ configuration: EncoderConfiguration, on device: DeviceSelector = .automatic,
    recovery policy: RecoveryPolicy, observer: EncoderObserver = EncoderObserver(),
    onDeviceLost: RecoveringEncoder.Replacement? = nil
  ) async throws(EncoderError) -> RecoveringEncoder {
    try await RecoveringEncoder.open(
      configuration, policy: policy, observer: observer, onDeviceLost: onDeviceLost
    ) { (configuration, observer) async throws(EncoderError) -> any VideoEncoder in
      try await Self.open(configuration, on: device, observer: observer)
    }
  }
}
