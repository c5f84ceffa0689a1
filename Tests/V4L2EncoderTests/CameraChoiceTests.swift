import Testing

@testable import V4L2Encoder

@Suite("What a camera is asked for")
struct CameraChoiceTests {
  private let hd = VideoSize(width: 1280, height: 720)
  private let fullHD = VideoSize(width: 1920, height: 1080)

  private func offer(_ format: PixelFormat, _ sizes: [(VideoSize, Int)]) -> CameraOffer {
    CameraOffer(
      format: format, isCompressed: format.isStillPicture,
      sizes: sizes.map { size, rate in
        let rate = Rational(rate)
        return CameraOffer.Size(
          minimum: size, maximum: size, rates: [CameraOffer.Rate(slowest: rate, fastest: rate)])
      })
  }

  /// A usual webcam: raw pictures are slow where they are large.
  private var webcam: [CameraOffer] {
    [
      offer(.mjpeg, [(fullHD, 30), (hd, 30), (VideoSize(width: 640, height: 480), 30)]),
      offer(.yuyv, [(fullHD, 5), (hd, 10), (VideoSize(width: 640, height: 480), 30)]),
    ]
  }

  private func best(
    _ offers: [CameraOffer], _ size: VideoSize?, _ rate: Int?, _ encoder: [PixelFormat] = [.nv12]
  ) -> CameraChoice? {
    CameraChoice.best(
      among: offers, size: size, frameRate: rate.map { Rational($0) }, encoderFormats: encoder)
  }

  @Test("the rate decides between raw pictures and JPEG")
  func rate() {
    #expect(best(webcam, hd, 30)?.format == .mjpeg)
    #expect(best(webcam, hd, 30)?.way == .decoded)
    #expect(best(webcam, hd, 10)?.format == .yuyv)
    #expect(best(webcam, hd, 10)?.way == .converted)
    #expect(best(webcam, VideoSize(width: 640, height: 480), 30)?.format == .yuyv)
    #expect(best(webcam, VideoSize(width: 640, height: 480), 60)?.format == .yuyv)
  }

  @Test("what the encoder takes as it is comes before what is converted, and that before JPEG")
  func ways() {
    let offers = [
      offer(.mjpeg, [(hd, 30)]), offer(.yuyv, [(hd, 30)]), offer(.i420, [(hd, 30)]),
      offer(.nv12, [(hd, 30)]),
    ]
    #expect(
      best(offers, hd, 30, [.nv12])
        == CameraChoice(
          format: .nv12, size: hd, fastestRate: Rational(30), way: .inPlace))
    #expect(best(offers, hd, 30, [.yuyv])?.format == .yuyv)
    #expect(best(Array(offers[..<3]), hd, 30, [.nv12])?.format == .i420)
    #expect(best(Array(offers[..<2]), hd, 30, [.nv12])?.format == .yuyv)
    #expect(best(Array(offers[..<1]), hd, 30, [.nv12])?.way == .decoded)
  }

  @Test("without a size the largest one at the rate is taken")
  func anySize() {
    #expect(best(webcam, nil, nil)?.size == fullHD)
    #expect(best(webcam, nil, nil)?.format == .mjpeg)
    #expect(best(webcam, nil, 60)?.format == .mjpeg)
    #expect(best([webcam[1]], nil, 30)?.size == VideoSize(width: 640, height: 480))
  }

  @Test("a size that is not offered becomes the next larger one, else the largest")
  func otherSizes() {
    #expect(best(webcam, VideoSize(width: 1024, height: 576), 30)?.size == hd)
    #expect(best(webcam, VideoSize(width: 3840, height: 2160), 30)?.size == fullHD)
    let range = CameraOffer(
      format: .nv12, isCompressed: false,
      sizes: [
        CameraOffer.Size(
          minimum: VideoSize(width: 16, height: 16), maximum: fullHD,
          step: VideoSize(width: 16, height: 8), rates: [])
      ])
    #expect(
      best([range], VideoSize(width: 1000, height: 500), 30)?.size
        == VideoSize(width: 1008, height: 504))
    #expect(
      best([range], VideoSize(width: 8, height: 8), 30)?.size
        == VideoSize(width: 16, height: 16))
    #expect(
      best([range], VideoSize(width: 4000, height: 3000), 30)?.size
        == VideoSize(width: 1920, height: 1080))
  }

  @Test("colours come before all else")
  func colors() {
    let encoder: [PixelFormat] = [.grey, .nv12]
    let infrared = offer(.grey, [(fullHD, 60)])
    #expect(best([infrared] + webcam, hd, 30, encoder)?.format == .mjpeg)
    #expect(best([infrared] + webcam, fullHD, 60, encoder)?.format == .mjpeg)
    #expect(best([infrared], hd, 30, encoder)?.format == .grey)
  }

  @Test("a camera that lists no sizes is asked for the size wanted")
  func noSizes() {
    let offers = [CameraOffer(format: .nv12, isCompressed: false, sizes: [])]
    #expect(best(offers, hd, 30)?.size == hd)
    #expect(
      best(offers, nil, 30)
        == CameraChoice(
          format: .nv12, size: nil, fastestRate: nil, way: .inPlace))
  }

  @Test("what cannot be encoded is not chosen")
  func nothing() {
    let h264 = CameraOffer(format: .h264, isCompressed: true, sizes: [])
    #expect(best([h264], hd, 30) == nil)
    #expect(best([], hd, 30) == nil)
    #expect(best(webcam, hd, 30, []) == nil)
  }
}

@Suite("The colours that a camera's driver tells")
struct DriverColorTests {
  private func color(
    _ format: PixelFormat, colorspace: UInt32, transfer: UInt32 = 0, matrix: UInt32 = 0,
    range: UInt32 = 0
  ) -> ColorDescription {
    ColorDescription(
      driver: QueueFormat(
        format: format, size: VideoSize(width: 64, height: 48), planes: [],
        colorspace: colorspace, transfer: transfer, matrix: matrix, quantization: range))
  }

  private func color(
    _ primaries: ColorDescription.Primaries, _ transfer: ColorDescription.Transfer,
    _ matrix: ColorDescription.Matrix, _ range: ColorDescription.Range
  ) -> ColorDescription {
    ColorDescription(primaries: primaries, transfer: transfer, matrix: matrix, range: range)
  }

  @Test("defaults are those of videodev2.h")
  func defaults() {
    #expect(color(.nv12, colorspace: 1) == color(.smpte170m, .bt709, .bt601, .limited))
    #expect(color(.nv12, colorspace: 3) == .bt709)
    #expect(color(.nv12, colorspace: 6) == color(.bt470bg, .bt709, .bt601, .limited))
    #expect(color(.nv12, colorspace: 7) == color(.sRGB, .sRGB, .bt601, .full))
    #expect(color(.nv12, colorspace: 8) == color(.sRGB, .sRGB, .bt601, .limited))
    #expect(color(.nv12, colorspace: 10) == color(.bt2020, .bt709, .bt2020, .limited))
    #expect(
      color(.nv12, colorspace: 0)
        == color(.unspecified, .unspecified, .unspecified, .unspecified))
  }

  @Test("what the driver states counts, and what has no name here is unspecified")
  func stated() {
    #expect(
      color(.nv12, colorspace: 10, transfer: 7, matrix: 2, range: 1)
        == color(.bt2020, .smpte2084, .bt709, .full))
    // xvYCC 601 has the matrix of BT.601; SMPTE 240M and opRGB have no names.
    #expect(color(.nv12, colorspace: 3, matrix: 3).matrix == .bt601)
    #expect(color(.nv12, colorspace: 3, matrix: 8).matrix == .unspecified)
    #expect(color(.nv12, colorspace: 9).primaries == .unspecified)
    #expect(color(.nv12, colorspace: 3, transfer: 5).transfer == .unspecified)
    #expect(color(.nv12, colorspace: 250) == color(.unspecified, .bt709, .bt601, .limited))
  }

  @Test("RGB has no matrix and no range yet")
  func rgb() {
    #expect(
      color(.bgra, colorspace: 8, matrix: 1, range: 1)
        == color(.sRGB, .sRGB, .unspecified, .unspecified))
  }
}
