/// A type that names a codec, so that the compiler tells encoders apart.
public protocol CodecTag: Sendable {
  /// The codec.
  static var codec: VideoCodec { get }
}

/// ITU-T H.264.
public enum H264: CodecTag {
  /// The codec.
  public static var codec: VideoCodec { .h264 }
}

/// ITU-T H.265.
public enum HEVC: CodecTag {
  /// The codec.
  public static var codec: VideoCodec { .hevc }
}

/// The Fast Walsh Hadamard Transform codec of the kernel's vicodec.
public enum FWHT: CodecTag {
  /// The codec.
  public static var codec: VideoCodec { .fwht }
}

/// An H.264 encoder on a V4L2 memory-to-memory device.
public typealias H264Encoder = V4L2VideoEncoder<H264>
/// An HEVC encoder on a V4L2 memory-to-memory device.
public typealias HEVCEncoder = V4L2VideoEncoder<HEVC>
/// A FWHT encoder on a V4L2 memory-to-memory device: vicodec, which needs no hardware.
public typealias FWHTEncoder = V4L2VideoEncoder<FWHT>

/// An encoder on a stateful V4L2 memory-to-memory device.
public struct V4L2VideoEncoder<Codec: CodecTag>: VideoEncoder {
  let session: EncoderSession

  /// Opens a device, negotiates formats and controls and allocates buffers.
  ///
  /// - Throws: `deviceUnavailable`, `notAnEncoder`, `deviceBusy`, `unsupported`,
  ///   `invalidConfiguration`, `outOfMemory`, `deviceStalled`, `deviceLost` or
  ///   `protocolViolation`.
  public static nonisolated(nonsending) func open(
    _ configuration: EncoderConfiguration, on device: DeviceSelector = .automatic,
    observer: EncoderObserver = EncoderObserver()
  ) async throws(EncoderError) -> Self {
    Self(
      session: try await EncoderSession.open(
        Codec.codec, configuration, on: device, observer: observer))
  }

  /// What is asked of the driver now: that of the opening, with what was changed since.
  public var configuration: EncoderConfiguration { session.configuration }

  /// What the driver granted, and every difference from what was asked.
  public var negotiated: NegotiationReport { session.negotiated }

  /// The packets in decode order; single-pass.
  public var packets: PacketSequence { session.packets }

  /// What happened so far.
  public var statistics: EncoderStatistics { session.statistics }

  /// Queues one frame; see ``VideoEncoder/encode(_:options:)``.
  ///
  /// - Throws: as the protocol says.
  public nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {
    try await session.encode(frame, options: options)
  }

  /// Lends the next mapped input buffer; see ``VideoEncoder/nextInputBuffer()``.
  ///
  /// - Throws: as the protocol says.
  public nonisolated(nonsending) func nextInputBuffer() async throws(EncoderError) -> InputBuffer {
    try await session.nextInputBuffer()
  }

  /// Queues a lent buffer; see ``VideoEncoder``.
  ///
  /// - Throws: as the protocol says.
  public nonisolated(nonsending) func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {
    try await session.encode(
      buffer, presentationTime: presentationTime, duration: duration, options: options)
  }

  /// Changes settings while frames are encoded; see ``VideoEncoder/update(_:)``.
  ///
  /// - Throws: as the protocol says.
  public nonisolated(nonsending) func update(
    _ settings: DynamicSettings
  ) async throws(EncoderError) -> [ControlOutcome] {
    try await session.update(settings)
  }

  /// Makes the next frame that the device takes a key frame; see
  /// ``VideoEncoder/requestKeyFrame()``.
  ///
  /// - Throws: as the protocol says.
  public nonisolated(nonsending) func requestKeyFrame() async throws(EncoderError) {
    try await session.requestKeyFrame()
  }

  /// Goes on with another size, pixel format or whatever else is negotiated; see
  /// ``VideoEncoder/reconfigure(_:)``.
  ///
  /// - Throws: as the protocol says.
  @discardableResult
  public nonisolated(nonsending) func reconfigure(
    _ configuration: EncoderConfiguration
  ) async throws(EncoderError) -> NegotiationReport {
    try await session.reconfigure(configuration)
  }

  /// Waits until every queued frame's packet is out; see ``VideoEncoder/drain()``.
  ///
  /// - Throws: as the protocol says.
  public nonisolated(nonsending) func drain() async throws(EncoderError) {
    try await session.drain()
  }

  /// Gives the device back.
  public nonisolated(nonsending) func close() async { await session.close() }
}
