import Foundation
import TestSupport
import Testing

/// Bad input gets one clear line, the right exit code, and nothing encoded is lost.
@Suite struct BadInputTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func expect(
    _ arguments: [String], input: SubprocessInput = .nothing, ends code: Int32, saying text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let result = try await v4l2enc(arguments, input: input)
    #expect(result.exitCode == code, "\(result.errorText)", sourceLocation: sourceLocation)
    #expect(result.errorText.contains(text), sourceLocation: sourceLocation)
    #expect(result.output.isEmpty, sourceLocation: sourceLocation)
    let complaints = result.errorText.split(separator: "\n").filter {
      $0.hasPrefix("v4l2enc: error: ") || $0.hasPrefix("v4l2enc: warning: ")
    }
    #expect(complaints.count == 1, "\(result.errorText)", sourceLocation: sourceLocation)
  }

  @Test func commands() async throws {
    try await expect([], ends: 64, saying: "which command?")
    try await expect(["encod"], ends: 64, saying: "did you mean encode?")
    try await expect(["--versoin"], ends: 64, saying: "did you mean --version?")
    let version = try await v4l2enc(["--version"])
    #expect(version.exitCode == 0)
    #expect(version.outputText.hasPrefix("v4l2enc "))
    let help = try await v4l2enc(["--help"])
    #expect(help.exitCode == 0)
    #expect(help.errorOutput.isEmpty)
  }

  /// Everything that is refused before a device is touched.
  @Test(
    arguments: [
      (["-o", "o.h264"], 64, "which input?"),
      (["test:bars"], 64, "-o OUTPUT"),
      (["/nonexistent/in.yuv", "-o", "o.h264"], 66, "No such file or directory; check the path"),
      (["/proc", "-o", "o.h264"], 66, "is a directory"),
      (["/proc/self/mem", "--size", "64x64", "-o", "o.h264"], 74, "reading /proc/self/mem"),
      (["/dev/null", "--size", "64x64", "-o", "o.h264"], 66, "/dev/null is a device"),
      (["-", "--size", "64x64", "-o", "o.h264"], 65, "standard input is empty"),
      (["test:bar", "-o", "o.h264"], 66, "did you mean bars?"),
      (["test:bars", "--size", "0x0", "-o", "o.h264"], 64, "at least one pixel"),
      (["test:bars", "--size", "63x64", "-o", "o.h264"], 64, "63x64 is odd"),
      (["test:bars", "--size", "64x63", "-o", "o.h264"], 64, "--crop-odd"),
      (["test:bars", "--size", "65536x64", "-o", "o.h264"], 64, "no H.264 or HEVC encoder"),
      (["test:bars", "--bitrate", "0", "-o", "o.h264"], 64, "is 1000 to 2000000000 bit/s"),
      (["test:bars", "--gop", "1000001", "-o", "o.h264"], 64, "1 to 1000000"),
      (["test:bars", "--fps", "0", "-o", "o.h264"], 64, "--fps 0"),
      (["test:bars", "--set", "bitrat=1", "-o", "o.h264"], 64, "did you mean BITRATE?"),
      (["test:bars", "-o", "o.mp4"], 64, "containers (.mp4) are not written yet"),
      (["test:bars", "-o", "o.mp4"], 64, "ffmpeg -r RATE -i IN.h264 -c copy OUT.mp4"),
      (["test:bars", "-o", "o.MKV"], 64, "containers (.mkv)"),
      (["test:bars", "-o", "o.ts"], 64, "containers (.ts)"),
      (["test:bars", "-o", "rtsp://host/x"], 64, "rtsp://"),
      (["test:bars", "-o", "o.h264", "--codec", "hevc"], 64, "contradicts the suffix"),
      (["test:bars", "-o", "/nonexistent/o.h264"], 73, "the directory does not exist"),
      (["test:bars", "-o", "/proc"], 73, "is a directory"),
      (["test:bars", "-o", "/proc/a.h264"], 73, "no file can be created there"),
      (["test:bars", "-o", "-", "--stats", "/nonexistent/s"], 73, "the directory does not exist"),
      (["test:bars", "-o", "-", "--rate-control", "cq"], 64, "needs --qp"),
      (["test:bars", "-o", "-", "--qp", "20", "--bitrate", "4M"], 64, "has no bitrate"),
      (
        ["test:bars", "-o", "-", "--qp", "20", "--min-qp", "10"], 64,
        "--min-qp is for bitrates, the quantizer is always 20; leave it out"
      ),
      (
        ["test:bars", "-o", "-", "--codec", "fwht", "--max-qp", "9"], 64, "--max-qp is for bitrates"
      ),
      (["test:bars", "-o", ""], 64, "--output: the name is empty"),
      (["", "-o", "-"], 64, "v4l2enc encode: the name is empty"),
      (["test:bars", "-o", "-", "--progress", ""], 64, "--progress: the name is empty"),
      (["test:bars", "-o", "-", "--version"], 64, "without a command: v4l2enc --version"),
      (["test:bars", "-o", "-", "--qp", "20", "--rate-control", "cbr"], 64, "belongs to"),
      (
        ["test:bars", "-o", "-", "--bitrate", "4M", "--peak-bitrate", "3M"], 64, "below the bitrate"
      ),
      (["test:bars", "-o", "-", "--min-qp", "40", "--max-qp", "30"], 64, "is above --max-qp"),
      (["test:bars", "-o", "-", "--init-qp", "5"], 64, "--init-qp 5 is outside"),
      (["test:bars", "-o", "-", "--profile", "higj"], 64, "did you mean high?"),
      (["test:bars", "-o", "-", "--level", "9"], 64, "H.264 has no such level"),
    ] as [([String], Int32, String)])
  func refusedAtOnce(arguments: [String], code: Int32, text: String) async throws {
    try await expect(
      ["encode"] + arguments + ["--device", "virtual"], ends: code, saying: text)
    #expect(!FileManager.default.fileExists(atPath: "o.h264"))
  }

  @Test func misspeltDevices() async throws {
    try await expect(
      ["encode", "test:bars", "-o", "-", "--device", "vitrual"], ends: 69,
      saying: "vitrual does not exist (did you mean virtual?)")
  }

  @Test func rawWithoutSize() async throws {
    let raw = try directory.write(rawFrames(1), to: "in.yuv")
    try await expect(
      ["encode", raw, "-o", directory.file("o.h264"), "--device", "virtual"], ends: 64,
      saying: "--size 1280x720")
    try await expect(
      [
        "encode", raw, "--size", "640x480", "-o", directory.file("o.h264"), "--device", "virtual",
      ], ends: 65, saying: "check --size and --format")
  }

  @Test(arguments: ["64x64", "480x480"])
  func wholeFramesOfATruncatedFileAreEncoded(size: String) async throws {
    let clip = rawFrames(5) + [UInt8](repeating: 1, count: 100)
    guard size == "64x64" else {
      // A pipe's length is not known beforehand: the end comes as a surprise there.
      try await expect(
        ["encode", "-", "--size", size, "-o", directory.file("o.h264"), "--device", "virtual"],
        input: .bytes(clip), ends: 65, saying: "its last \(clip.count) bytes")
      return
    }
    let raw = try directory.write(clip, to: "in.yuv")
    for input in [SubprocessInput.nothing, .bytes(clip)] {
      let path: String
      if case .nothing = input { path = raw } else { path = "-" }
      let output = directory.file("o.h264")
      let result = try await encodeVirtually(path, "--size", size, "-o", output, input: input)
      #expect(result.exitCode == 65)
      #expect(result.errorText.contains("5 frames in, 5 out, 0 skipped"))
      #expect(result.errorText.contains("warning:"))
      #expect(result.errorText.contains("its last 100 bytes"))
      #expect(FileManager.default.contents(atPath: output)?.isEmpty == false)
    }
  }

  @Test(arguments: [
    ("YUV4MPEG2 W64 F25:1", "the size is missing"),
    ("YUV4MPEG2 W64 H64 F25:1 C444", "C444 is not supported"),
    ("YUV4MPEG2 W64 H64 F25:1 C420p10", "C420p10 is not supported"),
    ("YUV4MPEG2 W64 Hsixty F25:1", "Hsixty is no size"),
  ])
  func y4mHeaders(header: String, text: String) async throws {
    try await expect(
      ["encode", "-", "-o", directory.file("o.h264"), "--device", "virtual"],
      input: .bytes(y4m(1, header: header)), ends: 65, saying: text)
  }

  @Test func y4mWithoutALineEnd() async throws {
    let endless = Array("YUV4MPEG2 W64 H64 X".utf8) + [UInt8](repeating: 0x41, count: 9000)
    try await expect(
      ["encode", "-", "-o", directory.file("o.h264"), "--device", "virtual"],
      input: .bytes(endless), ends: 65, saying: "its line has no end")
  }

  @Test func inputWithoutAFrame() async throws {
    for (clip, text) in [
      (y4m(0), "has no frame to encode"), (y4m(0) + "FRAME\nshort".utf8, "ends within a frame"),
    ] {
      let result = try await encodeVirtually(
        "-", "-o", directory.file("o.h264"), input: .bytes(clip))
      #expect(result.exitCode == 65)
      #expect(result.errorText.contains("v4l2enc: error: "))
      #expect(result.errorText.contains(text))
      #expect(!result.errorText.contains("warning: "))
    }
  }

  @Test func y4mContradictsTheArguments() async throws {
    let clip = try directory.write(y4m(1), to: "in.y4m")
    let rest = ["-o", directory.file("o.h264"), "--device", "virtual"]
    try await expect(
      ["encode", clip, "--size", "32x32"] + rest, ends: 64, saying: "says 64x64")
    try await expect(
      ["encode", clip, "--format", "nv12"] + rest, ends: 64, saying: "says i420")
  }

  @Test func aSizeThatChangesEndsTheStreamBeforeIt() async throws {
    let second = y4m(2, header: "YUV4MPEG2 W32 H32 F25:1 C420jpeg")
    for (tail, text) in [
      (second, "a second y4m header (32x32) follows"), (rawFrames(1), "does not begin with FRAME"),
    ] {
      let clip = try directory.write(y4m(3) + tail, to: "in.y4m")
      let output = directory.file("o.h264")
      let result = try await encodeVirtually(clip, "-o", output)
      #expect(result.exitCode == 65, "\(result.errorText)")
      #expect(result.errorText.contains(text))
      #expect(result.errorText.contains("3 frames in, 3 out, 0 skipped"))
      #expect(result.errorText.contains("v4l2enc: error: "))
      #expect(!result.errorText.contains("warning: "))
      #expect(FileManager.default.contents(atPath: output)?.isEmpty == false)
    }
  }

  @Test func devices() async throws {
    let rest = ["test:bars", "--size", "64x64", "--frames", "2", "-o", directory.file("o.h264")]
    try await expect(
      ["encode", "--device", "/dev/nothing"] + rest, ends: 69, saying: "/dev/nothing")
    try await expect(
      ["encode", "--device", "/dev/null"] + rest, ends: 69, saying: "/dev/null is no V4L2 device")
    try await expect(
      ["encode", "--device", "virtual", "--set", "0x123=1"] + rest, ends: 69,
      saying: "no such control")
    try await expect(
      ["encode", "--device", "virtual", "--set", "h264_profile=99"] + rest, ends: 64,
      saying: "out of its range")
    try await expect(
      ["encode", "--device", "virtual", "--set", "h264_max_qp=-5"] + rest, ends: 64,
      saying: "out of its range")
  }

  @Test func tinyAndHugeSizes() async throws {
    let output = directory.file("o.h264")
    let tiny = try await encodeVirtually(
      "test:motion", "--size", "16x16", "--frames", "2", "-o", output)
    #expect(tiny.exitCode == 0, "\(tiny.errorText)")
    try await expect(
      [
        "encode", "test:bars", "--size", "16384x16384", "--frames", "1", "-o", output,
        "--device", "virtual",
      ], ends: 69, saying: "16384x16384")
    try await expect(
      ["encode", "test:bars", "--size", "8x8", "--frames", "1", "-o", output]
        + ["--device", "virtual"], ends: 69,
      saying: "takes no pictures below 16x16, and this one is 8x8; scale it up")
  }

  @Test func readingWhatIsWritten() async throws {
    let clip = try directory.write(y4m(2), to: "in.h264")
    try await expect(
      ["encode", clip, "-o", clip, "--device", "virtual"], ends: 64, saying: "is the input itself")
    #expect(FileManager.default.contents(atPath: clip).map { [UInt8]($0) } == y4m(2))
  }

  @Test func whatMayNotBeReadOrWritten() async throws {
    let raw = try directory.write(rawFrames(1), to: "secret.yuv")
    #expect(chmod(raw, 0) == 0)
    let closed = directory.file("closed")
    #expect(mkdir(closed, 0o500) == 0)
    let binary = try builtBinary(named: "v4l2enc")
    // Root may do everything unless it gives that up.
    let prefix =
      geteuid() == 0 ? ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] : ["env"]
    for (input, output, culprit) in [
      (raw, directory.file("o.h264"), raw), ("test:bars", "\(closed)/o.h264", "\(closed)/o.h264"),
    ] {
      let arguments =
        prefix.dropFirst()
        + [binary, "encode", input, "--size", "64x64", "-o", output, "--device", "virtual"]
      let result = try await Subprocess.run(prefix[0], Array(arguments))
      #expect(result.exitCode == 77, "\(result.errorText)")
      #expect(result.errorText.contains("error: \(culprit): Permission denied"))
    }
  }

  @Test func aFullDisk() async throws {
    try await expect(
      ["encode", "test:motion", "--size", "64x64", "--frames", "50", "-o", "/dev/full"]
        + ["--device", "virtual"], ends: 74, saying: "No space left on device")
    try await expect(
      [
        "encode", "test:motion", "--size", "64x64", "--frames", "50", "--stats", "/dev/full",
        "-o", directory.file("o.h264"), "--device", "virtual",
      ], ends: 74, saying: "No space left on device")
    #expect(FileManager.default.contents(atPath: directory.file("o.h264"))?.isEmpty == false)
  }

  @Test func aClosedPipe() async throws {
    let binary = try builtBinary(named: "v4l2enc")
    let script =
      "\(binary) encode test:motion --size 320x240 --frames 100000 --device virtual -o - "
      + "| head -c 1000; echo ${PIPESTATUS[0]} >&2"
    let result = try await Subprocess.run("bash", ["-c", script])
    #expect(result.output.count == 1000)
    #expect(result.errorText.contains("the program that reads it has ended"))
    #expect(result.errorText.hasSuffix("\n74\n"))
  }
}
