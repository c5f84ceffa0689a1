internal import CV4L2

/// A FourCC that names how pixels or compressed bytes are laid out.
///
/// Byte orders are given as they lie in memory.
public struct PixelFormat: RawRepresentable, Hashable, Sendable {
  /// The FourCC as the kernel stores it, first character in the low byte.
  public let rawValue: UInt32

  /// Creates a format from a kernel FourCC.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A Y plane followed by interleaved Cb and Cr, 4:2:0.
  ///
  /// The C constant is `V4L2_PIX_FMT_NV12`.
  public static var nv12: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_NV12) }

  /// A Y plane followed by interleaved Cr and Cb, 4:2:0.
  ///
  /// The C constant is `V4L2_PIX_FMT_NV21`.
  public static var nv21: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_NV21) }

  /// Y, Cb and Cr planes, 4:2:0; YU12, called I420 elsewhere.
  ///
  /// The C constant is `V4L2_PIX_FMT_YUV420`.
  public static var i420: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_YUV420) }

  /// Y, Cr and Cb planes, 4:2:0.
  ///
  /// The C constant is `V4L2_PIX_FMT_YVU420`.
  public static var yv12: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_YVU420) }

  /// Y, Cb and Cr planes, 4:2:2.
  ///
  /// The C constant is `V4L2_PIX_FMT_YUV422P`.
  public static var i422: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_YUV422P) }

  /// Packed Y0 Cb Y1 Cr, 4:2:2; called YUY2 elsewhere.
  ///
  /// The C constant is `V4L2_PIX_FMT_YUYV`.
  public static var yuyv: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_YUYV) }

  /// Packed Cb Y0 Cr Y1, 4:2:2.
  ///
  /// The C constant is `V4L2_PIX_FMT_UYVY`.
  public static var uyvy: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_UYVY) }

  /// Three bytes per pixel: red, green, blue.
  ///
  /// The C constant is `V4L2_PIX_FMT_RGB24`.
  public static var rgb24: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_RGB24) }

  /// Three bytes per pixel: blue, green, red.
  ///
  /// The C constant is `V4L2_PIX_FMT_BGR24`.
  public static var bgr24: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_BGR24) }

  /// Four bytes per pixel: blue, green, red, alpha.
  ///
  /// The C constant is `V4L2_PIX_FMT_ABGR32`.
  public static var bgra: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_ABGR32) }

  /// Four bytes per pixel: blue, green, red, unused.
  ///
  /// The C constant is `V4L2_PIX_FMT_XBGR32`.
  public static var bgrx: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_XBGR32) }

  /// Four bytes per pixel: alpha, red, green, blue.
  ///
  /// The C constant is `V4L2_PIX_FMT_ARGB32`.
  public static var argb: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_ARGB32) }

  /// One byte of luma per pixel.
  ///
  /// The C constant is `V4L2_PIX_FMT_GREY`.
  public static var grey: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_GREY) }

  /// NV12 with its two planes in separate memory.
  ///
  /// The C constant is `V4L2_PIX_FMT_NV12M`.
  public static var nv12m: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_NV12M) }

  /// NV21 with its two planes in separate memory.
  ///
  /// The C constant is `V4L2_PIX_FMT_NV21M`.
  public static var nv21m: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_NV21M) }

  /// I420 with its three planes in separate memory; YM12.
  ///
  /// The C constant is `V4L2_PIX_FMT_YUV420M`.
  public static var i420m: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_YUV420M) }

  /// YV12 with its three planes in separate memory.
  ///
  /// The C constant is `V4L2_PIX_FMT_YVU420M`.
  public static var yv12m: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_YVU420M) }

  /// An H.264 byte stream with start codes, one access unit per buffer.
  ///
  /// The C constant is `V4L2_PIX_FMT_H264`.
  public static var h264: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_H264) }

  /// An HEVC byte stream with start codes, one access unit per buffer.
  ///
  /// The C constant is `V4L2_PIX_FMT_HEVC`.
  public static var hevc: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_HEVC) }

  /// NVIDIA's code for HEVC; mainline drivers use `hevc`.
  ///
  /// The FourCC is 'H265'; there is no C constant in the kernel.
  public static var h265: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_H265) }

  /// The kernel's test codec, as vicodec encodes it.
  ///
  /// The C constant is `V4L2_PIX_FMT_FWHT`.
  public static var fwht: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_FWHT) }

  /// A JPEG still picture.
  ///
  /// The C constant is `V4L2_PIX_FMT_JPEG`.
  public static var jpeg: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_JPEG) }

  /// Video as a sequence of JPEG pictures.
  ///
  /// The C constant is `V4L2_PIX_FMT_MJPEG`.
  public static var mjpeg: PixelFormat { PixelFormat(rawValue: CV4L2_PIX_FMT_MJPEG) }
}

extension PixelFormat: CustomStringConvertible {
  /// The four characters of the code, a big-endian mark as `-BE`, unprintable ones as `?`.
  public var description: String {
    var text = ""
    for shift in [0, 8, 16, 24] {
      let byte = UInt8(truncatingIfNeeded: rawValue >> shift) & (shift == 24 ? 0x7f : 0xff)
      text.unicodeScalars.append((0x20...0x7e).contains(byte) ? UnicodeScalar(byte) : "?")
    }
    return rawValue & 0x8000_0000 == 0 ? text : text + "-BE"
  }
}
