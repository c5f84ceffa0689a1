import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// Every raw format that vicodec and the library know, there and back.
  @Suite(.timeLimit(.minutes(3))) struct Formats {
    static let formats: [PixelFormat] = [
      .i420, .yv12, .nv12, .nv21, .i422, .yuyv, .uyvy, .rgb24, .bgr24, .bgra, .bgrx, .argb, .grey,
    ]
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("the list is what both sides know")
    func complete() throws {
      let reports = DeviceCatalog.examine(.path(try KernelGuest.encoder()))
      let offered = try #require(reports.first).rawFormats
      #expect(Set(offered.filter { $0.info != nil }) == Set(Self.formats))
    }

    @Test("frames are passed through and decode to what they were", arguments: formats)
    func roundTrip(format: PixelFormat) async throws {
      let size = Recording.size
      let name = try #require(format.info?.name)
      let source = try Recording.raw(named: name)
      let frameBytes = source.count / 2
      let recording = try await Recording.make(
        Recording.configuration {
          $0.inputFormat = format
          $0.rateControl = .constantQuantizer(2)
        }, in: directory, frames: 0..<2
      ) { index in
        try VideoFrame(
          format: format, size: size, memory: FrameMemory(copying: source),
          offset: index * frameBytes, presentationTime: Int64(index))
      }
      #expect(recording.report.rawFormat == format && recording.report.isPassThrough)
      #expect(recording.packets.map(\.isKeyFrame) == [true, false])
      let decoded = try await decode(recording.stream, to: format)
      #expect(decoded.count == source.count)
      // The fourth byte of a pixel is nothing there, and alpha elsewhere.
      let quality = psnr(decoded, source, skipping: format == .bgrx ? 3 : nil)
      #expect(quality > 35, "\(name): \(quality) dB")
    }

    /// Decodes by vicodec's own decoder to the same format.
    private func decode(_ stream: String, to format: PixelFormat) async throws -> [UInt8] {
      let output = directory.file("decoded")
      let result = try await Subprocess.run(
        "v4l2-ctl",
        [
          "-d", try KernelGuest.decoder(),
          "--set-fmt-video=width=1280,height=720,pixelformat=\(format)", "--stream-mmap",
          "--stream-out-mmap", "--stream-from", stream, "--stream-to", output,
        ])
      guard result.exitCode == 0 else {
        throw TestSupportError("v4l2-ctl does not decode \(stream): \(result.errorText)")
      }
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: output)))
    }

    private func psnr(_ left: [UInt8], _ right: [UInt8], skipping unused: Int?) -> Double {
      guard left.count == right.count, !left.isEmpty else { return 0 }
      guard let unused else { return byteQuality(left, right) }
      // Every thirteenth byte is enough, and coprime to the bytes of a pixel.
      var error = 0
      var count = 0
      for index in stride(from: 0, to: left.count, by: 13) where index % 4 != unused {
        let difference = Int(left[index]) - Int(right[index])
        error += difference * difference
        count += 1
      }
      return 10 * log10(255 * 255 * Double(count) / Double(max(error, 1)))
    }
  }
}
