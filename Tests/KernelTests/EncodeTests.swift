import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// Whole encodes on vicodec, decoded by the kernel's own decoder.
  @Suite(.timeLimit(.minutes(3))) struct Encoding {
    private let directory: TemporaryDirectory
    private let clip: PlanarVideo

    init() throws {
      directory = try TemporaryDirectory()
      clip = try Recording.clip()
    }

    private func record(
      _ frames: Int, named name: String = "out.fwht",
      _ change: (inout EncoderConfiguration) -> Void = { _ in }
    ) async throws -> Recording {
      try await Recording.make(
        Recording.configuration(change), in: directory, named: name, frames: 0..<frames
      ) { try Recording.frame($0, of: clip) }
    }

    @Test("every frame of a 720p clip comes back, in order, the same as another client's")
    func wholeClip() async throws {
      let count = Fixture.bigBuckBunny.frameCount
      let recording = try await record(count)
      #expect(recording.packets.map(\.presentationTime) == (0..<Int64(count)).map { $0 })
      let keys = recording.packets.indices.filter { recording.packets[$0].isKeyFrame }
      #expect(keys == Array(stride(from: 0, to: count, by: 10)))
      #expect(recording.packets.allSatisfy { $0.hasParameterSets && !$0.isTimeInferred })
      #expect(recording.statistics.framesSkipped == 0 && recording.events.isEmpty)
      let decoded = try await Recording.decode(recording.stream, in: directory)
      #expect(decoded.frameCount == count)
      #expect(try decoded.lumaPSNR(against: clip).lowest > 25)
      // Equal bytes have equal quality.
      let reference = try await gstreamer()
      #expect(FileManager.default.contentsEqual(atPath: recording.stream, andPath: reference))
      let perFrame = Double(recording.statistics.deviceRequests) / Double(count)
      let waits = Double(recording.statistics.waits) / Double(count)
      #expect(perFrame <= 4.1 && waits <= 1.1, "\(perFrame) requests, \(waits) waits per frame")
    }

    /// The clip as GStreamer's element for the same device encodes it, at the same settings.
    private func gstreamer() async throws -> String {
      let output = directory.file("gstreamer.fwht")
      let result = try await Subprocess.run(
        "gst-launch-1.0",
        [
          "-q", "filesrc", "location=\(clip.path)", "!", "rawvideoparse", "format=i420",
          "width=1280", "height=720", "framerate=25/1", "colorimetry=bt709", "!", "v4l2fwhtenc",
          "extra-controls=c,video_gop_size=10,fwht_i_frame_qp_value=20,fwht_p_frame_qp_value=20",
          "!", "filesink", "location=\(output)",
        ],
        environment: [
          "GST_PLUGIN_SYSTEM_PATH_1_0": try plugins(),
          "GST_REGISTRY": directory.file("registry"),
        ], within: .seconds(90))
      guard result.exitCode == 0 else { throw TestSupportError("GStreamer: \(result.errorText)") }
      return output
    }

    /// A directory with the plugins that are needed: looking at all of them takes an emulated
    /// processor as long as everything else.
    private func plugins() throws -> String {
      let files = FileManager.default
      let few = directory.file("plugins")
      try files.createDirectory(atPath: few, withIntermediateDirectories: false)
      let all = try #require(
        try files.contentsOfDirectory(atPath: "/usr/lib").map { "/usr/lib/\($0)/gstreamer-1.0" }
          .first { files.fileExists(atPath: $0 + "/libgstvideo4linux2.so") })
      for name in ["coreelements", "rawparse", "video4linux2"] {
        let file = "libgst\(name).so"
        try files.createSymbolicLink(
          atPath: "\(few)/\(file)", withDestinationPath: "\(all)/\(file)")
      }
      return few
    }

    @Test("the report names what the driver has not, and nothing else")
    func report() async throws {
      let recording = try await record(2)
      let report = recording.report
      #expect(report.driver == "vicodec" && report.isMultiplanar == KernelGuest.isMultiplanar)
      #expect(report.codedFormat == .fwht && report.rawFormat == .i420 && report.isPassThrough)
      #expect(report.bufferSize == Recording.size && report.visibleSize == Recording.size)
      #expect(report.profile == nil && report.level == nil)
      #expect(report.color == .bt709)
      #expect(
        report.controls.map(\.name) == ["GOP_SIZE", "FWHT_I_FRAME_QP", "FWHT_P_FRAME_QP"])
      #expect(report.controls.allSatisfy { $0.result == .applied })
      #expect(report.differences.count == 1)
      #expect(report.differences.first?.contains("VIDIOC_S_PARM: ENOTTY") == true)
    }

    @Test("what the driver clamps is reported")
    func clamped() async throws {
      let recording = try await record(20) {
        $0.keyFrameInterval = 50
        $0.rateControl = .constantQuantizer(40)
      }
      let adjusted = recording.report.controls.map(\.result)
      #expect(adjusted == [.adjusted(to: 16), .adjusted(to: 31), .adjusted(to: 31)])
      #expect(
        recording.report.differences.contains("GOP_SIZE: asked for 50, the driver takes 16"))
      #expect(recording.packets.indices.filter { recording.packets[$0].isKeyFrame } == [0, 16])
    }

    @Test("a bitrate, which FWHT has not, is reported and nothing else goes wrong")
    func bitrate() async throws {
      let recording = try await record(3) { $0.rateControl = .constant(bitrate: 4_000_000) }
      #expect(
        recording.report.differences.contains {
          $0.hasPrefix("BITRATE = 4000000: the driver has no such control")
        })
      #expect(recording.packets.count == 3)
    }

    @Test("rows that 8x8 blocks pad are cropped: 640x360 out of a larger picture")
    func cropped() async throws {
      let size = VideoSize(width: 640, height: 360)
      let luma = 1280 * 720
      let planes = [
        PlaneLayout(offset: 0, bytesPerLine: 1280),
        PlaneLayout(offset: luma, bytesPerLine: 640),
        PlaneLayout(offset: luma * 5 / 4, bytesPerLine: 640),
      ]
      let recording = try await Recording.make(
        Recording.configuration { $0.size = size }, in: directory, frames: 0..<12
      ) { index in
        try VideoFrame(
          format: .i420, size: size, memory: FrameMemory(copying: clip.frame(index)),
          planes: planes, presentationTime: Int64(index))
      }
      #expect(recording.report.bufferSize == VideoSize(width: 640, height: 368))
      #expect(recording.report.visibleSize == size)
      // The stream's own size is the visible one: no event said otherwise.
      #expect(recording.events.isEmpty)
      let packet = try #require(recording.packets.first)
      let header = FWHTHeader(packet.bytes)
      #expect(header?.size == size)
      let decoded = try await Recording.decode(recording.stream, size: size, in: directory)
      #expect(decoded.frameCount == 12)
      let expected = try PlanarVideo(
        path: try directory.write(
          (0..<12).flatMap { topLeft(of: clip.frame($0), size) }, to: "part.yuv"),
        width: 640, height: 360)
      #expect(try decoded.lumaPSNR(against: expected).lowest > 25)
    }

    /// The top left part of a 1280x720 picture, without gaps.
    private func topLeft(of picture: [UInt8], _ size: VideoSize) -> [UInt8] {
      func rows(_ start: Int, _ stride: Int, _ width: Int, _ height: Int) -> [UInt8] {
        (0..<height).flatMap { picture[start + $0 * stride..<start + $0 * stride + width] }
      }
      let chroma = (width: size.width / 2, height: size.height / 2)
      return rows(0, 1280, size.width, size.height)
        + rows(1280 * 720, 640, chroma.width, chroma.height)
        + rows(1280 * 900, 640, chroma.width, chroma.height)
    }

    @Test("sizes the driver does not take are refused by name")
    func refusedSize() async throws {
      let small = Recording.configuration { $0.size = VideoSize(width: 320, height: 192) }
      let path = try KernelGuest.encoder()
      let error = await #expect(throws: EncoderError.self) {
        _ = try await FWHTEncoder.open(small, on: .path(path))
      }
      #expect(error?.code == .unsupported)
      let message = "takes no pictures below 640x360, and this one is 320x192"
      #expect(error?.message.contains(message) == true, "\(error?.description ?? "taken")")
    }
  }
}
