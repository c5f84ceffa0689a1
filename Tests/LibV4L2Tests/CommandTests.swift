import Foundation
import TestSupport
import Testing

@Suite(
  "v4l2enc on devices behind libv4l2", .makesPluginNamespace, .timeLimit(.minutes(5)))
struct CommandTests {
  @Test(
    "encodes, and the stream decodes to the same frames",
    arguments: PluginNode.allCases.map { ($0, "h264") } + [(.blocking, "hevc"), (.nvidia, "hevc")])
  func encodes(node: PluginNode, codec: String) async throws {
    let clip = Fixture.carphone
    let input = try await MediaTools.decode(clip, to: .yuv4mpeg, frames: 60)
    let directory = try TemporaryDirectory()
    let output = directory.file("out.\(codec)")
    let result = try await PluginNamespace.v4l2enc([
      "encode", input, "-o", output, "--device", try node.make(in: directory),
      "--bitrate", "1M",
    ])
    #expect(result.exitCode == 0, "\(result.errorText)")
    #expect(result.errorText.contains("60 frames in, 60 out, 0 skipped"), "\(result.errorText)")
    let decoded = try await MediaTools.decode(stream: output, in: directory)
    let quality = try decoded.lumaPSNR(against: try await MediaTools.pictures(clip, frames: 60))
    #expect(quality.overall > 30)
    #expect(quality.lowest > 25, "a frame is out of its place")
  }

  @Test("a node that no plugin answers for ends with one line and the remedy")
  func noPlugin() async throws {
    let directory = try TemporaryDirectory()
    for node in PluginNode.allCases {
      let path = try node.make(in: directory)
      let result = try await PluginNamespace.v4l2enc(
        with: .none, ["encode", "test:bars", "-o", directory.file("o.h264"), "--device", path])
      #expect(result.exitCode == 69)
      #expect(result.errorText.split(separator: "\n").count == 1, "\(result.errorText)")
      for part in [path, "has no libv4l2 plugin", "/libv4l/plugins", "libv4l-rkmpp"] {
        #expect(result.errorText.contains(part), "\(result.errorText)")
      }
    }
  }

  @Test("without libv4l2.so.0 one line says what to install")
  func noLibrary() async throws {
    let directory = try TemporaryDirectory()
    let path = try PluginNode.nvidia.make(in: directory)
    let result = try await PluginNamespace.v4l2enc(
      with: .noLibrary, ["encode", "test:bars", "-o", directory.file("o.h264"), "--device", path])
    #expect(result.exitCode == 69)
    #expect(result.errorText.split(separator: "\n").count == 1, "\(result.errorText)")
    #expect(result.errorText.contains("libv4l2.so.0"), "\(result.errorText)")
    #expect(result.errorText.contains("Debian: libv4l-0"), "\(result.errorText)")
  }

  @Test("a plugin claims no other node: /dev/null, a text of another kind, an unknown option")
  func claimsNothingElse() async throws {
    let directory = try TemporaryDirectory()
    let other = directory.file("other")
    try "enc\n".write(toFile: other, atomically: true, encoding: .utf8)
    let misspelt = try PluginNode.polled.make(in: directory, "pollin=yes")
    for path in ["/dev/null", other, misspelt] {
      let result = try await PluginNamespace.v4l2enc([
        "encode", "test:bars", "-o", directory.file("o.h264"), "--device", path,
      ])
      #expect(result.exitCode == 69)
      #expect(
        result.errorText.contains("\(path) is no V4L2 device of the kernel, and no libv4l2 plugin"),
        "\(result.errorText)")
    }
  }

  @Test(
    "a plugin that never returns from DQBUF ends the run, with what is already out",
    arguments: [PluginNode.polled, .blocking, .rkmpp])
  func hangs(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let path = try node.make(in: directory, "hangs-after=20")
    let result = try await PluginNamespace.v4l2enc([
      "encode", "test:bars", "--size", "320x192", "--frames", "100", "-o",
      directory.file("o.h264"), "--device", path,
    ])
    #expect(result.exitCode == 75, "\(result.errorText)")
    #expect(result.errorText.contains(path), "\(result.errorText)")
  }

  @Test(
    "pictures that a plugin pads come out as they went in", arguments: [(320, 180), (500, 300)])
  func padded(width: Int, height: Int) async throws {
    let directory = try TemporaryDirectory()
    let raw = directory.file("in.yuv")
    let size = "\(width)x\(height)"
    try await MediaTools.ffmpeg([
      "-f", "lavfi", "-i", "testsrc2=size=\(size):rate=25", "-frames:v", "25", "-pix_fmt",
      "yuv420p", "-f", "rawvideo", raw,
    ])
    for node in [PluginNode.rkmpp, .nvidia] {
      let output = directory.file("\(node).h264")
      let result = try await PluginNamespace.v4l2enc([
        "encode", raw, "--size", size, "-o", output, "--device", try node.make(in: directory),
        "--bitrate", "4M",
      ])
      #expect(result.exitCode == 0, "\(result.errorText)")
      let decoded = try await MediaTools.decode(stream: output, in: directory)
      let input = try PlanarVideo(path: raw, width: width, height: height)
      #expect(try decoded.lumaPSNR(against: input).lowest > 25, "\(node)")
    }
  }

  @Test("v4l2-ctl sees the same device through libv4l2", arguments: PluginNode.plain)
  func v4l2ctl(node: PluginNode) async throws {
    let directory = try TemporaryDirectory()
    let text = try await lookAt(
      try node.make(in: directory),
      ["--set-ctrl", "video_bitrate=1230000", "--get-ctrl", "video_bitrate"])
    for part in ["virtual-encoder", "'H264'", "'HEVC'", "video_bitrate: 1230000"] {
      #expect(text.contains(part), "\(text)")
    }
  }

  @Test("v4l2-ctl sees what the vendors' plugins are")
  func v4l2ctlVendors() async throws {
    let directory = try TemporaryDirectory()
    let rkmpp = try await lookAt(try PluginNode.rkmpp.make(in: directory))
    #expect(rkmpp.contains("rkmpp") && !rkmpp.contains("'HEVC'"), "\(rkmpp)")
    let nvidia = try await lookAt(try PluginNode.nvidia.make(in: directory))
    #expect(nvidia.contains("nvenc") && nvidia.contains("'H265'"), "\(nvidia)")
  }

  private func lookAt(_ path: String, _ options: [String] = []) async throws -> String {
    let result = try await PluginNamespace.run(
      "v4l2-ctl", ["--wrapper", "-d", path, "--info", "--list-formats"] + options)
    #expect(result.exitCode == 0, "\(result.errorText)")
    return result.outputText
  }
}
