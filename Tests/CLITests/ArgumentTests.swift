import Testing
import V4L2Encoder

@testable import v4l2enc_cli

@Suite struct ArgumentTests {
  private func parse(_ arguments: String...) throws -> EncodeOptions {
    guard case .run(let options) = try EncodeArguments.table.parse(arguments, into: EncodeOptions())
    else { throw Unexpected.help }
    return options
  }
  private enum Unexpected: Error { case help }

  private func message(_ arguments: String...) -> String {
    do {
      _ = try EncodeArguments.table.parse(arguments, into: EncodeOptions())
      return "no error"
    } catch {
      #expect(error.code == .usage)
      return error.message
    }
  }

  @Test func everyOptionReachesItsValue() throws {
    let options = try parse(
      "in.yuv", "-o", "out.h264", "--size=1280x720", "--format", "nv12", "--fps", "30000/1001",
      "--frames", "7", "--crop-odd", "--device", "/dev/video11", "--codec", "hevc",
      "--profile", "Main", "--level", "4.1", "--set", "gop_size=5", "--set", "0x9909cf=9",
      "--preset", "safe", "--bitrate=4M", "--peak-bitrate", "6M", "--rate-control", "vbr",
      "--qp", "20", "--init-qp", "21", "--min-qp", "11", "--max-qp", "41", "--gop", "33",
      "--save-pts", "p.txt", "--stats", "s.jsonl", "--no-progress", "--verbose")
    #expect(options.input == "in.yuv")
    #expect(options.output == "out.h264")
    #expect(options.size == VideoSize(width: 1280, height: 720))
    #expect(options.format == .nv12)
    #expect(options.frameRate == Rational(30000, 1001))
    #expect(options.frames == 7)
    #expect(options.cropsOddSizes)
    #expect(options.device == "/dev/video11")
    #expect(options.codec == .hevc)
    #expect(options.profile == "main")
    #expect(options.level == "4.1")
    #expect(
      options.controls == [
        ControlSetting(id: 0x9909cb, value: 5), ControlSetting(id: 0x9909cf, value: 9),
      ])
    #expect(options.preset?.name == "safe")
    #expect(options.bitrate == 4_000_000)
    #expect(options.peakBitrate == 6_000_000)
    #expect(options.rateControl == .vbr)
    #expect(options.quantizer == 20)
    #expect(options.initialQuantizer == 21)
    #expect(options.minimumQuantizer == 11)
    #expect(options.maximumQuantizer == 41)
    #expect(options.keyFrameInterval == 33)
    #expect(options.timesPath == "p.txt")
    #expect(options.statisticsPath == "s.jsonl")
    #expect(!options.showsProgress)
    #expect(options.verbosity == .verbose)
  }

  @Test func dashesEndOptionsOrMeanAStream() throws {
    #expect(try parse("-o", "-", "-").input == "-")
    #expect(try parse("-o", "-", "-").output == "-")
    #expect(try parse("-q", "--", "--strange.yuv").input == "--strange.yuv")
    #expect(try parse("--output=--", "x").output == "--")
  }

  @Test func helpIsAskedForAnywhere() throws {
    for arguments in [["--help"], ["in.yuv", "-h"], ["--quiet", "--help", "--nonsense"]] {
      guard case .help = try EncodeArguments.table.parse(arguments, into: EncodeOptions()) else {
        Issue.record("\(arguments) did not ask for help")
        continue
      }
    }
  }

  @Test(arguments: [
    ("--bitrat", "did you mean --bitrate?"), ("--devise", "did you mean --device?"),
    ("--SIZE", "did you mean --size?"), ("--szie=4x4", "did you mean --size?"),
    ("--rate-controll", "did you mean --rate-control?"),
  ])
  func mistypedOptionsAreGuessed(typed: String, hint: String) {
    #expect(message(typed).contains(hint))
  }

  @Test func farFetchedGuessesAreNotMade() {
    #expect(message("--zzzzzz").hasPrefix("unknown option --zzzzzz; "))
    #expect(!message("--zzzzzz").contains("did you mean"))
  }

  @Test func missingAndSuperfluousValuesAreNamed() {
    #expect(message("--bitrate") == "--bitrate needs a value: --bitrate RATE")
    #expect(message("--quiet=yes") == "--quiet takes no value")
    #expect(message("a.yuv", "b.yuv").contains("b.yuv: there is already an input, a.yuv"))
    #expect(message("--device=").contains("--device"))
  }

  @Test(arguments: [
    ("--format", "nv13", "did you mean nv12?"),
    ("--codec", "vp8", "codecs are h264, hevc and fwht"),
    ("--preset", "save", "did you mean safe?"), ("--rate-control", "abr", "write cbr, vbr or cq"),
    ("--qp", "52", "0 to 51"), ("--qp", "-1", "0 to 51"), ("--gop", "0", "1 to 1000000"),
    ("--frames", "0", "1 or more"), ("--frames", "ten", "whole number"),
    ("--max-qp", "99", "--max-qp 99"), ("--min-qp", "x", "--min-qp x"),
    ("--init-qp", "1.5", "--init-qp 1.5"),
  ])
  func wrongValuesSayWhatIsRight(option: String, value: String, expected: String) {
    #expect(message(option, value).contains(expected))
  }

  @Test func swappedAndChangedLettersAreOneStepEach() {
    let steps = { (left: String, right: String) in
      Suggestion.distance(Array(left), Array(right))
    }
    #expect(steps("size", "size") == 0)
    #expect(steps("szie", "size") == 1)
    #expect(steps("sze", "size") == 1)
    #expect(steps("sizes", "size") == 1)
    #expect(steps("", "size") == 4)
    #expect(steps("kitten", "sitting") == 3)
  }
}

@Suite struct ControlArgumentTests {
  @Test(
    arguments: [
      ("bitrate=5", 0x9909cf), ("BITRATE=5", 0x9909cf),
      ("V4L2_CID_MPEG_VIDEO_BITRATE=5", 0x9909cf), ("v4l2_cid_mpeg_video_bitrate=0x5", 0x9909cf),
      ("0x9909cf=5", 0x9909cf), ("h264_i_period=5", 0x990a66), ("hevc_min_qp=5", 0x990b58),
      ("prepend_spspps_to_idr=5", 0x990b84),
    ] as [(String, UInt32)])
  func namesAndNumbersAreKnown(text: String, id: UInt32) throws {
    #expect(try ControlArgument.parse(text) == ControlSetting(id: id, value: 5))
  }

  @Test func valuesHaveSigns() throws {
    #expect(try ControlArgument.parse("h264_loop_filter_alpha=-6").value == -6)
    #expect(try ControlArgument.parse("h264_loop_filter_alpha=-0x6").value == -6)
  }

  @Test(arguments: [
    ("bitrat=5", "did you mean BITRATE?"), ("h264_iperiod=1", "did you mean H264_I_PERIOD?"),
    ("=5", "CONTROL=VALUE"), ("bitrate", "CONTROL=VALUE"), ("bitrate=", "CONTROL=VALUE"),
    ("bitrate=much", "whole number"), ("0x=1", "control number"),
    ("h264_entropy_mode=caba", "did you mean cabac?"),
    ("bitrate=99999999999999999999", "whole number"),
  ])
  func whatIsWrongIsNamed(text: String, expected: String) {
    #expect {
      try ControlArgument.parse(text)
    } throws: { error in
      let error = error as? CommandError
      return error?.code == .usage && error?.message.contains(expected) == true
    }
  }

  @Test func itemsOfMenusHaveNames() throws {
    #expect(
      try ControlArgument.parse("h264_entropy_mode=CABAC") == ControlSetting(.h264EntropyMode, 1))
    #expect(try ControlArgument.parse("h264_level=4.1") == ControlSetting(.h264Level, 12))
    #expect(
      try ControlArgument.parse("multi_slice_mode=max_mb") == ControlSetting(.multiSliceMode, 1))
  }
}
