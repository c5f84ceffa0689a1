/// What the frames of a camera are like, until the signal changes.
public struct CaptureFormat: Hashable, Sendable {
  /// The frames' layout; of JPEG pictures that of the decoded ones.
  public internal(set) var format: PixelFormat
  /// The format that the camera itself sends.
  public internal(set) var cameraFormat: PixelFormat
  /// The frames' size, which may not be the one that was asked for.
  public internal(set) var size: VideoSize
  /// The rate in force, if the driver tells.
  public internal(set) var frameRate: Rational?
  /// What the frames' numbers mean as colour, as far as the driver tells.
  ///
  /// The driver's defaults (`V4L2_MAP_*_DEFAULT` of videodev2.h) are resolved. Of RGB pictures
  /// matrix and range stay unspecified: they are the choice of whoever converts them.
  public internal(set) var color: ColorDescription
  /// What an encoder must be told to read the frames in place.
  public internal(set) var inputMemory: InputMemory
  /// Counts the set-ups of the camera, from zero on: frames with the same number are alike.
  public internal(set) var generation: Int
}

/// The clock of a frame's time stamp.
public enum CaptureClock: Hashable, Sendable {
  /// `CLOCK_MONOTONIC` (`V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`): the clock of nearly every driver.
  case monotonic
  /// The driver does not say.
  case unknown
}

/// One picture of a camera.
public struct CapturedFrame: Sendable {
  /// The picture; its presentation time is the driver's time stamp in microseconds.
  ///
  /// Its memory goes back to the camera when the last copy of the frame is dropped.
  public let frame: VideoFrame
  /// What the frame and those after it are like; another `generation` is another format.
  public let format: CaptureFormat
  /// The driver's count of frames, which goes on when one is lost; it starts again with each
  /// generation.
  public let sequence: UInt32
  /// Frames that are missing between the one before and this one, apart from JPEG pictures that
  /// could not be decoded.
  public let framesLostBefore: Int
  /// Whether the driver marked the picture as spoiled (`V4L2_BUF_FLAG_ERROR`) or filled only a
  /// part of it.
  public let isCorrupt: Bool
  /// The clock that the presentation time was read from.
  public let clock: CaptureClock
}
