/// Makes frames of another size, in NV12 or I420, from frames of any raw format.
///
/// The picture is fitted to the new size as it is: who wants to keep its aspect ratio chooses such
/// a size, or signals another pixel aspect. New frames lie in memory that is used again when
/// nobody holds them any more. May be used from several threads at once.
public final class FrameScaler: Sendable {
  /// The frames that it takes.
  public let sourceFormat: PixelFormat
  /// The size of the frames that it takes.
  public let sourceSize: VideoSize
  /// The frames that it makes.
  public let format: PixelFormat
  /// The size of the frames that it makes.
  public let size: VideoSize

  private let scaler: PictureScaler
  private let reader = FrameReader()
  private let pool: FrameMemoryPool
  private let capacity: Int

  /// Prepares scaling.
  ///
  /// - Parameters:
  ///   - sourceFormat: the layout of the frames that will come.
  ///   - sourceSize: the size of the frames that will come.
  ///   - format: the layout wanted, `.nv12` or `.i420`.
  ///   - size: the size wanted.
  ///   - color: what the new frames' numbers are to mean; matters for RGB frames only.
  ///   - limitsRange: whether the Y'CbCr frames that will come are full range (as JPEG) and are to
  ///     become limited range.
  ///   - frames: how many of the new frames may be held at once, 1 at least.
  /// - Throws: `unsupported` or `invalidConfiguration` for formats and sizes that cannot be.
  public init(
    from sourceFormat: PixelFormat, size sourceSize: VideoSize, to format: PixelFormat = .nv12,
    size: VideoSize, color: ColorDescription = .bt709, limitsRange: Bool = false, frames: Int = 16
  ) throws(EncoderError) {
    self.sourceFormat = sourceFormat
    self.sourceSize = sourceSize
    self.format = format
    self.size = size
    scaler = try PictureScaler(
      from: sourceFormat, size: sourceSize, to: format, target: size, color: color,
      limitsRange: limitsRange)
    capacity = max(frames, 1)
    pool = FrameMemoryPool(byteCount: scaler.layout.byteCount, capacity: capacity)
  }

  /// Makes a frame of the new size, with the time of the given one.
  ///
  /// - Throws: `invalidFrame` when the frame is not as announced or cannot be read,
  ///   `buffersLent` when all frames made before are still held.
  public func scale(_ frame: VideoFrame) throws(EncoderError) -> VideoFrame {
    guard frame.format == sourceFormat, frame.size == sourceSize else {
      throw EncoderError(
        .invalidFrame,
        "the frame is \(frame.size) \(frame.format), the scaler was made for \(sourceSize) "
          + "\(sourceFormat)")
    }
    guard let memory = pool.take() else {
      throw EncoderError(
        .buffersLent, "all \(capacity) scaled frames are held; drop one before the next")
    }
    try reader.scale(frame, by: scaler, into: memory)
    return try VideoFrame(
      format: format, size: size, memory: memory, planes: scaler.layout.planes,
      presentationTime: frame.presentationTime, duration: frame.duration)
  }
}
