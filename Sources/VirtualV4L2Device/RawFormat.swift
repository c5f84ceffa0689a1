internal import CV4L2

/// How a raw format lays its samples out, and in how many pieces of memory.
package struct RawFormat: Hashable, Sendable {
  package enum Layout: Hashable, Sendable {
    case semiPlanar, semiPlanarSwapped, planar, planarSwapped, packed, packedChromaFirst
  }

  package let fourCC: UInt32
  package let name: String
  package let layout: Layout
  /// Separate pieces of memory: one, or one per colour plane for the formats with an M.
  package let memoryPlanes: Int
  /// What `bytesperline` of the first plane is a multiple of; in the model's own personality so
  /// large that a client that ignores it shows a sheared picture.
  package var strideAlignment = 64
  /// Whether a larger `bytesperline` than needed is granted.
  package var grantsWiderStride = true

  package init(fourCC: UInt32, name: String, layout: Layout, memoryPlanes: Int = 1) {
    self.fourCC = fourCC
    self.name = name
    self.layout = layout
    self.memoryPlanes = memoryPlanes
  }

  /// The same format with lines that are multiples of so many bytes.
  package func aligned(to bytes: Int, grantsWiderStride: Bool = true) -> RawFormat {
    var format = self
    format.strideAlignment = bytes
    format.grantsWiderStride = grantsWiderStride
    return format
  }

  private static let maximumStride = 32768

  var isPacked: Bool { layout == .packed || layout == .packedChromaFirst }
  var isPlanar: Bool { layout == .planar || layout == .planarSwapped }

  /// The stride of the first plane: what the client asked for if it is enough.
  func stride(width: Int, asked: UInt32) -> Int {
    let least = isPacked ? width * 2 : width
    let wanted =
      grantsWiderStride ? min(max(least, Int(asked)), Self.maximumStride) : least
    return (wanted + strideAlignment - 1) / strideAlignment * strideAlignment
  }

  /// The stride of the given piece of memory.
  func stride(ofPlane plane: Int, first: Int) -> Int {
    isPlanar && plane > 0 ? first / 2 : first
  }

  /// The bytes of the given piece of memory.
  func size(ofPlane plane: Int, stride: Int, height: Int) -> Int {
    let luma = stride * height
    if isPacked { return luma }
    if memoryPlanes == 1 { return luma * 3 / 2 }
    if plane == 0 { return luma }
    return isPlanar ? luma / 4 : luma / 2
  }
}

/// The formats the codecs can read, as the kernel's ENUM_FMT names them.
extension RawFormat {
  package static let nv12 = RawFormat(
    fourCC: CV4L2_PIX_FMT_NV12, name: "Y/CbCr 4:2:0", layout: .semiPlanar)
  package static let nv21 = RawFormat(
    fourCC: CV4L2_PIX_FMT_NV21, name: "Y/CrCb 4:2:0", layout: .semiPlanarSwapped)
  package static let yuv420 = RawFormat(
    fourCC: CV4L2_PIX_FMT_YUV420, name: "Planar YUV 4:2:0", layout: .planar)
  package static let yvu420 = RawFormat(
    fourCC: CV4L2_PIX_FMT_YVU420, name: "Planar YVU 4:2:0", layout: .planarSwapped)
  package static let nv12m = RawFormat(
    fourCC: CV4L2_PIX_FMT_NV12M, name: "Y/CbCr 4:2:0 (N-C)", layout: .semiPlanar,
    memoryPlanes: 2)
  package static let nv21m = RawFormat(
    fourCC: CV4L2_PIX_FMT_NV21M, name: "Y/CrCb 4:2:0 (N-C)", layout: .semiPlanarSwapped,
    memoryPlanes: 2)
  package static let yuv420m = RawFormat(
    fourCC: CV4L2_PIX_FMT_YUV420M, name: "Planar YUV 4:2:0 (N-C)", layout: .planar,
    memoryPlanes: 3)
  package static let yuyv = RawFormat(
    fourCC: CV4L2_PIX_FMT_YUYV, name: "YUYV 4:2:2", layout: .packed)
  package static let uyvy = RawFormat(
    fourCC: CV4L2_PIX_FMT_UYVY, name: "UYVY 4:2:2", layout: .packedChromaFirst)
}

extension RawFormat {
  /// Every raw format that the model knows.
  static let all: [RawFormat] = [
    .nv12, .nv21, .yuv420, .yvu420, .nv12m, .nv21m, .yuv420m, .yuyv, .uyvy,
  ]
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

  /// Rounds what a client asked for to what the device takes.
  ///
  /// Rows come in groups, as on hardware: the client crops what it does not want encoded.
  init(
    raw: RawFormat, width: UInt32, height: UInt32, stride: UInt32, color: Colorimetry,
    geometry: VirtualDevice.Personality.Geometry
  ) {
    self.raw = raw
    self.width = Self.fit(width, geometry.widths, step: geometry.widthStep)
    self.height = Self.fit(height, geometry.heights, step: geometry.heightStep)
    self.stride = raw.stride(width: self.width, asked: stride)
    self.color = color
  }

  private static func fit(_ value: UInt32, _ range: ClosedRange<Int>, step: Int) -> Int {
    let clamped = min(max(Int(value), range.lowerBound), range.upperBound)
    let rounded = (clamped + step - 1) / step * step
    return rounded > range.upperBound ? rounded - step : rounded
  }

  func stride(ofPlane plane: Int) -> Int { raw.stride(ofPlane: plane, first: stride) }
  func size(ofPlane plane: Int) -> Int {
    raw.size(ofPlane: plane, stride: stride, height: height)
  }
}

/// The format of the CAPTURE queue, which gives encoded bytes.
struct CodedFormat: Sendable {
  var kind: CodedKind
  var width: Int
  var height: Int
  var sizeImage: Int

  var codec: CodedKind.Codec { kind.codec }

  private static let maximumSizeImage = 32 << 20

  /// The bytes of a buffer when `asked` were asked for; nil when that is refused.
  static func sizeImage(
    width: Int, height: Int, asked: UInt32, rule: VirtualDevice.Personality.CodedBufferSize
  ) -> Int? {
    let wanted: Int
    switch rule {
    case .generous:
      let whole = width * height * 3 / 2 + 65536
      wanted = asked == 0 ? whole : max(Int(asked), whole / 8)
    case .atLeast(let small, let pixels, let large):
      wanted = max(Int(asked), width * height <= pixels ? small : large)
    case .bitsPerPixel(let bits):
      let pixels = width * height
      wanted = min(
        max(Int(asked), pixels * bits.lowerBound / 8), pixels * bits.upperBound / 8)
    case .verbatim(let refusesZero):
      return asked == 0 && refusesZero ? nil : min(Int(asked), maximumSizeImage)
    }
    return min((wanted + 4095) & ~4095, maximumSizeImage)
  }
}
