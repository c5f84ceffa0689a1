/// Where one plane of a picture lies.
public struct PlaneLayout: Hashable, Sendable {
  /// Bytes from the start of the frame's memory to the plane's first row.
  public var offset: Int
  /// Bytes from one row to the next; at least the bytes of one row.
  public var bytesPerLine: Int

  /// Creates the layout of one plane.
  public init(offset: Int, bytesPerLine: Int) {
    self.offset = offset
    self.bytesPerLine = bytesPerLine
  }
}

/// One raw picture and when it is to be shown.
public struct VideoFrame: Sendable {
  /// How the pixels are laid out.
  public let format: PixelFormat
  /// The picture's size in pixels.
  public let size: VideoSize
  /// The memory that holds the picture; it stays alive while the frame does.
  public let memory: FrameMemory
  /// Bytes from the start of `memory` to the frame.
  public let offset: Int
  /// The colour planes, in the format's order (I420: Y, Cb, Cr; NV12: Y, CbCr), offsets counted
  /// from `offset`.
  public let planes: [PlaneLayout]
  /// Presentation time in units of the encoder's `timeBase`.
  ///
  /// Any value is returned unchanged with the packet.
  public var presentationTime: Int64
  /// How long the picture is shown in units of the encoder's `timeBase`; zero: one frame interval.
  public var duration: Int64

  /// Creates a frame whose planes lie anywhere in `memory`.
  ///
  /// - Throws: `EncoderError` with code `invalidFrame` when the format is unknown, a plane is
  ///   missing, a row is shorter than the picture or a plane ends beyond the memory.
  public init(
    format: PixelFormat, size: VideoSize, memory: FrameMemory, offset: Int = 0,
    planes: [PlaneLayout], presentationTime: Int64, duration: Int64 = 0
  ) throws(EncoderError) {
    try RasterLayout.validate(
      planes, of: format, size: size, offset: offset, byteCount: memory.byteCount)
    self.init(
      checked: format, size: size, memory: memory, offset: offset, planes: planes,
      presentationTime: presentationTime, duration: duration)
  }

  /// Creates a frame whose rows and planes follow each other without gaps, as in a raw file.
  ///
  /// - Throws: `EncoderError` with code `invalidFrame` when the format is unknown or the memory
  ///   is too short.
  public init(
    format: PixelFormat, size: VideoSize, memory: FrameMemory, offset: Int = 0,
    presentationTime: Int64, duration: Int64 = 0
  ) throws(EncoderError) {
    let layout = try RasterLayout.packed(format, size: size)
    try self.init(
      format: format, size: size, memory: memory, offset: offset, planes: layout.planes,
      presentationTime: presentationTime, duration: duration)
  }

  private init(
    checked format: PixelFormat, size: VideoSize, memory: FrameMemory, offset: Int,
    planes: [PlaneLayout], presentationTime: Int64, duration: Int64
  ) {
    self.format = format
    self.size = size
    self.memory = memory
    self.offset = offset
    self.planes = planes
    self.presentationTime = presentationTime
    self.duration = duration
  }
}
