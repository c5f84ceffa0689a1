import TestSupport
import Testing

@Suite("Programs that know nothing of the server", .needsDeviceFile)
struct ClientProgramTests {
  private static let frames = 60

  @Test(
    "FFmpeg encodes, and the stream decodes to the same frames",
    arguments: [("h264_v4l2m2m", "h264"), ("hevc_v4l2m2m", "hevc")], ["mplane", "splane"])
  func ffmpeg(encoder: (name: String, codec: String), api: String) async throws {
    let clip = Fixture.carphone
    let input = try await MediaTools.pictures(clip, frames: Self.frames)
    let directory = try TemporaryDirectory()
    let output = directory.file("out.\(encoder.codec)")
    try await DeviceFile.serve(["--api", api]) { device in
      let result = try await device.run(
        "ffmpeg",
        [
          "-nostdin", "-v", "warning", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p",
          "-video_size", "\(clip.width)x\(clip.height)", "-i", input.path,
          "-pix_fmt", "nv12", "-c:v", encoder.name, "-b:v", "1M", "-f", encoder.codec, output,
        ])
      #expect(result.exitCode == 0, "\(result.errorText)")
    }
    let decoded = try await MediaTools.decode(stream: output, in: directory)
    let quality = try decoded.lumaPSNR(against: input)
    #expect(quality.overall > 30)
    #expect(quality.lowest > 25, "a frame is out of its place")
  }

  @Test(
    "v4l2-ctl encodes, and the stream decodes to the same frames", arguments: ["mplane", "splane"])
  func v4l2ctl(api: String) async throws {
    let clip = Fixture.carphone
    let path = try await MediaTools.decode(clip, to: .raw("nv12"), frames: Self.frames)
    let directory = try TemporaryDirectory()
    let output = directory.file("out.h264")
    try await DeviceFile.serve(["--api", api]) { device in
      let result = try await device.run(
        "v4l2-ctl",
        [
          "-d", device.path,
          "--set-fmt-video-out=width=\(clip.width),height=\(clip.height),pixelformat=NV12",
          "--set-fmt-video=pixelformat=H264", "--set-ctrl", "video_bitrate=1000000",
          "--stream-mmap", "--stream-out-mmap", "--stream-from", path, "--stream-to", output,
        ])
      #expect(result.exitCode == 0, "\(result.outputText)\(result.errorText)")
    }
    let input = try await MediaTools.pictures(clip, frames: Self.frames)
    let decoded = try await MediaTools.decode(stream: output, in: directory)
    let quality = try decoded.lumaPSNR(against: input)
    #expect(quality.lowest > 25, "a frame is out of its place")
  }

  @Test("sixteen programs encode on one device at once")
  func sixteenAtOnce() async throws {
    let clip = Fixture.carphone
    let input = try await MediaTools.pictures(clip, frames: Self.frames)
    let directory = try TemporaryDirectory()
    let encode = try builtBinary(named: "v4l2enc")
    let size = "\(clip.width)x\(clip.height)"
    try await DeviceFile.serve { device in
      // All of them are started before the first is waited for.
      var clients: [(client: Subprocess, output: String)] = []
      for number in 0..<8 {
        let codec = number % 2 == 0 ? "h264" : "hevc"
        let ours = directory.file("ours-\(number).\(codec)")
        let theirs = directory.file("theirs-\(number).\(codec)")
        clients.append(
          (
            try Subprocess(
              encode,
              [
                "encode", input.path, "-o", ours, "--device", device.path, "--codec", codec,
                "--size", size, "--bitrate", "1M",
              ]), ours
          ))
        clients.append(
          (
            try device.start(
              "ffmpeg",
              [
                "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p",
                "-video_size", size, "-i", input.path, "-pix_fmt", "nv12",
                "-c:v", "\(codec)_v4l2m2m", "-b:v", "1M", "-f", codec, theirs,
              ]), theirs
          ))
      }
      #expect(clients.count == 16)
      for (client, output) in clients {
        let result = try await client.wait(within: .patience)
        #expect(result.exitCode == 0, "\(output): \(result.errorText)")
      }
      for (_, output) in clients {
        let decoded = try await MediaTools.decode(stream: output, in: directory)
        let quality = try decoded.lumaPSNR(against: input)
        #expect(quality.lowest > 25, "\(output): a frame of another program's, or out of place")
      }
      try await eventually("the buffers are freed") { try device.bufferBytes() == 0 }
    }
  }
}
