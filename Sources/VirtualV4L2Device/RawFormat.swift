internal import CV4L2

/// How a raw format lays its samples out, and in how many pieces of memory.
struct RawFormat: Sendable {
  enum Layout: Sendable { case semiPlanar, semiPlanarSwapped, planar, packed }

  let fourCC: UInt32
  let name: String
  let layout: Layout
  /// Separate pieces of memory: one, or one per colour plane for the formats with an M.
  let memoryPlanes: Int

  static let multiplanar = [
    nv12,
    RawFormat(
      fourCC: CV4L2_PIX_FMT_YUV420, name: "Planar YUV 4:2:0", layout: .planar, memoryPlanes: 1),
    RawFormat(
      fourCC: CV4L2_PIX_FMT_NV21, name: "Y/CrCb 4:2:0", layout: .semiPlanarSwapped,
      memoryPlanes: 1),
    RawFormat(
      fourCC: CV4L2_PIX_FMT_NV12M, name: "Y/CbCr 4:2:0 (N-C)", layout: .semiPlanar,
      memoryPlanes: 2),
    RawFormat(
      fourCC: CV4L2_PIX_FMT_YUV420M, name: "Planar YUV 4:2:0 (N-C)", layout: .planar,
      memoryPlanes: 3),
    RawFormat(fourCC: CV4L2_PIX_FMT_YUYV, name: "YUYV 4:2:2", layout: .packed, memoryPlanes: 1),
  ]

  static let singlePlanar = multiplanar.filter { $0.memoryPlanes == 1 }

  static let nv12 = RawFormat(
    fourCC: CV4L2_PIX_FMT_NV12, name: "Y/CbCr 4:2:0", layout: .semiPlanar, memoryPlanes: 1)

  /// Rounds a stride so that a client that ignores it shows a sheared picture.
  static let strideAlignment = 64
  private static let maximumStride = 32768

  /// The stride of the first plane: what the client asked for if it is enough.
  func stride(width: Int, asked: UInt32) -> Int {
    let least = layout == .packed ? width * 2 : width
    let wanted = min(max(least, Int(asked)), Self.maximumStride)
    return (wanted + Self.strideAlignment - 1) & ~(Self.strideAlignment - 1)
  }

  /// The stride of the given piece of memory.
  func stride(ofPlane plane: Int, first: Int) -> Int {
    layout == .planar && plane > 0 ? first / 2 : first
  }

  /// The bytes of the given piece of memory.
  func size(ofPlane plane: Int, stride: Int, height: Int) -> Int {
    let luma = stride * height
    switch layout {
    case .packed: return luma
    case .semiPlanar, .semiPlanarSwapped:
      return memoryPlanes == 1 ? luma * 3 / 2 : (plane == 0 ? luma : luma / 2)
    case .planar:
      return memoryPlanes == 1 ? luma * 3 / 2 : (plane == 0 ? luma : luma / 4)
    }
  }
}

/// What the colours of a picture mean, in V4L2's codes.
struct Colorimetry: Hashable, Sendable {
  var colorSpace = UInt32(V4L2_COLORSPACE_REC709.rawValue)
  var matrix: UInt32 = 0
  var quantization: UInt32 = 0
  var transfer: UInt32 = 0

  init() {}

  /// Takes what a client set, with anything the kernel does not define made "default".
  init(colorSpace: UInt32, matrix: UInt32, quantization: UInt32, transfer: UInt32) {
    if (1...V4L2_COLORSPACE_DCI_P3.rawValue).contains(colorSpace) { self.colorSpace = colorSpace }
    if matrix <= V4L2_YCBCR_ENC_SMPTE240M.rawValue { self.matrix = matrix }
    if quantization <= V4L2_QUANTIZATION_LIM_RANGE.rawValue { self.quantization = quantization }
    if transfer <= V4L2_XFER_FUNC_SMPTE2084.rawValue { self.transfer = transfer }
  }
}

/// The format of the OUTPUT queue, which takes raw frames.
struct PictureFormat: Sendable {
  var raw: RawFormat
  var width: Int
  var height: Int
  var stride: Int
  var color = Colorimetry()

  static let sizes = 16...4096
  /// Hardware wants whole macroblocks of rows, 16; FFmpeg's encoders then read past the end of a
  /// picture of 1080 rows, as they copy all the rows that the device padded it to.
  static let rowAlignment = 8

  /// Rounds what a client asked for to what the device takes.
  ///
  /// Rows come in groups, as on hardware: the client crops what it does not want encoded.
  init(raw: RawFormat, width: UInt32, height: UInt32, stride: UInt32, color: Colorimetry) {
    self.raw = raw
    self.width = (Self.clamp(width) + 1) & ~1
    self.height =
      (Self.clamp(height) + Self.rowAlignment - 1) / Self.rowAlignment * Self.rowAlignment
    self.stride = raw.stride(width: self.width, asked: stride)
    self.color = color
  }

  private static func clamp(_ value: UInt32) -> Int {
    min(max(Int(value), sizes.lowerBound), sizes.upperBound)
  }

  func stride(ofPlane plane: Int) -> Int { raw.stride(ofPlane: plane, first: stride) }
  func size(ofPlane plane: Int) -> Int {
    raw.size(ofPlane: plane, stride: stride, height: height)
  }
}

/// The format of the CAPTURE queue, which gives encoded bytes.
struct CodedFormat: Sendable {
  var codec: Codec
  var width: Int
  var height: Int
  var sizeImage: Int

  enum Codec: Sendable {
    case h264, hevc
    var fourCC: UInt32 { self == .h264 ? CV4L2_PIX_FMT_H264 : CV4L2_PIX_FMT_HEVC }
    var name: String { self == .h264 ? "H.264" : "HEVC" }
  }

  static let maximumSizeImage = 32 << 20

  /// Bytes that hold any access unit of a picture: a little more than the raw samples.
  static func sizeImage(width: Int, height: Int, asked: UInt32) -> Int {
    let whole = width * height * 3 / 2 + 65536
    let wanted = asked == 0 ? whole : max(Int(asked), whole / 8)
    return min((wanted + 4095) & ~4095, maximumSizeImage)
  }
}
