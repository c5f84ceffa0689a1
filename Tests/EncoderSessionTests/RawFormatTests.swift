import Testing
import V4L2Encoder
import VirtualV4L2Device

@Suite("The format of the frames at the device")
struct RawFormatTests {
  @Test(
    "Frames are converted only where the device does not take them as they are",
    arguments: [PixelFormat.i420, .nv12])
  func conversion(taken: PixelFormat) async throws {
    let device = try VirtualDevice(.init(h264: .null, rawFormats: [taken]))
    let configuration = EncoderConfiguration(
      size: VideoSize(width: 320, height: 240), inputFormat: .i420,
      rateControl: .constant(bitrate: 1_000_000))
    let encoder = try await H264Encoder.open(configuration, on: .virtual(device))
    let negotiated = encoder.negotiated
    await encoder.close()
    #expect(negotiated.rawFormat == taken)
    #expect(negotiated.isPassThrough == (taken == .i420))
  }
}
