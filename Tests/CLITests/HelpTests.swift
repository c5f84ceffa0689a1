import Testing

@testable import v4l2enc_cli

/// The pages are compared byte for byte, so that every change of them is seen.
@Suite struct HelpTests {
  @Test func encode() { #expect(Help.page(EncodeArguments.table) == Self.encodePage) }
  @Test func capture() { #expect(Help.page(CaptureArguments.table) == Self.capturePage) }
  @Test func devices() { #expect(Help.page(DevicesCommand.table) == Self.devicesPage) }
  @Test func qualify() { #expect(Help.page(QualifyArguments.table) == Self.qualifyPage) }
  @Test func report() { #expect(Help.page(ReportCommand.table) == Self.reportPage) }

  @Test func linesFitATerminal() {
    let pages = [Self.encodePage, Self.capturePage, Self.devicesPage, Self.reportPage]
    for page in pages + [Self.qualifyPage, V4L2EncCommand.help] {
      #expect(page.hasSuffix("\n"))
      for line in page.split(separator: "\n") { #expect(line.count <= 92, "\(line)") }
    }
  }

  @Test func everyOptionIsExplained() {
    for section in EncodeArguments.table.sections {
      for option in section.options { #expect(!option.help.isEmpty) }
    }
  }

  private static let encodePage = """
    Encodes raw video to H.264 or HEVC on a V4L2 memory-to-memory device.

    Usage: v4l2enc encode INPUT -o OUTPUT [options]

    Input and output:
      -o, --output OUTPUT         Elementary stream to write: a file, or - for standard output
      --size WxH                  Size of raw input and test pictures
      --format FORMAT             Pixels of raw input and test pictures (default i420): i420,
                                  nv12, nv21, yv12, i422, yuyv, yuy2, uyvy, rgb24, bgr24, bgra,
                                  bgrx, argb, gray
      --stride BYTES              From row to row of raw input whose rows are padded, as those
                                  of rpicam-vid are to 64
      --fps N[/D]                 Frames per second (default: the y4m header's, else 30)
      --frames N                  Stop after this many frames
      --crop-odd                  Leave out the last column or row of odd sizes, which 4:2:0
                                  video cannot have

    Device and codec:
      --device PATH|auto|virtual  Encoder: a node, the first that fits (auto, the default), or
                                  one in this process, which imitates a driver (virtual:NAME) or
                                  a dump (virtual:recorded:FILE)
      --codec h264|hevc|fwht      Codec (default: from OUTPUT's suffix, else h264); fwht is that
                                  of the kernel's vicodec
    \(controls)
    \(recovery)

    \(quality)

    \(reports)

    INPUT:
      FILE                        y4m, recognised by its first bytes, or raw frames, which need
                                  --size
      -                           The same from standard input
      test:bars, test:motion      Built-in pictures (default 1280x720, 10 seconds)

    \(presets)

    \(exitCodes)

    """

  private static let capturePage = """
    Encodes a camera's pictures to H.264 or HEVC on a V4L2 memory-to-memory device.

    Usage: v4l2enc capture CAMERA -o OUTPUT [options]

    Output:
      -o, --output OUTPUT         Elementary stream to write: a file, or - for standard output
      --frames N                  Stop after this many frames

    Camera:
      --size WxH                  Size to ask the camera for (default: its largest up to
                                  1920x1080 at 24 fps or more; the signal's own with HDMI)
      --fps N[/D]                 Frames per second to ask the camera for
      --format FORMAT             Pixels to ask the camera for (default: what costs least):
                                  mjpeg, i420, nv12, nv21, yv12, i422, yuyv, yuy2, uyvy, rgb24,
                                  bgr24, bgra, bgrx, argb, gray
      --input N                   Input of the camera (default: the one in force)
      --scale WxH                 Size to encode (default: the camera's); then it stays the same
                                  when the camera's changes
      --range keep|limited|full   Black and white in numbers: as the camera sends them
                                  (default), 16 to 235, 0 to 255
      --duration TIME             Stop this long after the first frame, by the camera's clock,
                                  such as 60s or 5m
      --signal-wait TIME|forever  How long a lost signal may stay away (default: 60s)
      --crop-odd                  Leave out the last column or row of odd sizes, which 4:2:0
                                  video cannot have

    Encoder and codec:
      --device PATH|auto|virtual  Encoder: a node, the first that fits (auto, the default), or
                                  one in this process, which imitates a driver (virtual:NAME) or
                                  a dump (virtual:recorded:FILE)
      --codec h264|hevc|fwht      Codec (default: from OUTPUT's suffix, else h264); fwht is that
                                  of the kernel's vicodec
    \(controls)
    \(recovery)

    Overload:
      --on-overrun wait|drop-newest|drop-oldest[:N]|fail
                                  When there is no room for a frame: let the camera wait, which
                                  loses frames itself (default), drop the frame, keep N (4)
                                  frames and drop the oldest, or end
      --max-latency TIME          Drop frames that would take longer to be encoded than this,
                                  such as 250ms
      --reduce-rate               Encode every second frame, or third or fourth, while the
                                  encoder cannot keep up

    \(quality)

    \(reports)

    CAMERA is a node such as /dev/video0; v4l2enc capture without one lists the cameras.
    The frames keep the camera's times, relative to the first one.

    \(presets)

    \(exitCodes)

    """

  private static let devicesPage = """
    Lists video devices, what they encode, and why others cannot be used.

    Usage: v4l2enc devices [options] [PATH|virtual]...

    Options:
      --all                       Everything that is known of every node, refused ones too
      --controls                  The controls of each encoder: ranges, menus, defaults, values
      --json                      An array of objects, for programs
      --also PATH                 Look at this node besides those with known names; may be
                                  repeated
      --dump FILE                 Write everything that one device says of itself to this file,
                                  or - for standard output; without PATH of the machine's
                                  encoder
      --trace FILE                Write every request to the device, and its answer, to this
                                  file
      -h, --help                  This text

    Without PATH every /dev/video*, /dev/video-enc*, /dev/v4l2-nvenc and /dev/nvhost-msenc is
    looked at, and the paths in V4L2ENC_DEVICES, which have colons between them. The node that
    V4L2ENC_DEVICE names is what --device auto takes.

    """

  private static let reportPage = """
    Makes a page of what --stats wrote: frame sizes, bitrate, latency, the machine.

    Usage: v4l2enc report FILE -o PAGE.html

    Options:
      -o, --output PAGE           Page to write: a file, or - for standard output
      -h, --help                  This text

    FILE is what v4l2enc encode or capture --stats FILE has written, or is still writing; - is
    standard input. The page needs no network and no script.

    """

  private static let qualifyPage = """
    Tries whether a board encodes for long, with one stream and with more.

    Usage: v4l2enc qualify --journal FILE [options]

    What to try:
      --journal FILE              Where every step is written down before it begins; after a
                                  crash of the machine the next start says which one did it and
                                  leaves it out
      --duration TIME[,TIME]...   How long to try each number of streams, such as 30s,5m,24h
                                  (default: 30s,5m)
      --streams N|N..M|N,M...     How many streams at once (default: 1)
      --max-latency TIME          What 99 of 100 frames may take, such as 30ms (default:
                                  anything)
      --max-cpu PERCENT           Share of one processor that the command may use, such as 10%
                                  (default: anything)
      --retry                     Try again what the journal knows, crashes too
      --no-software               No comparison with a software encoder
      --size WxH                  Size of the pictures (default: 1280x720)
      --fps N[/D]                 Frames per second of each stream (default: 30)
      --format FORMAT             Pixels of the pictures (default: i420), as with encode

    Device and codec:
      --device PATH|auto|virtual  Encoder: a node, the first that fits (auto, the default), or
                                  one in this process, which imitates a driver (virtual:NAME) or
                                  a dump (virtual:recorded:FILE)
      --codec h264|hevc|fwht      Codec (default: h264); fwht is that of the kernel's vicodec
    \(controls)

    \(quality)

    Messages:
      --no-progress               No status line (there is none without a terminal)
      -q, --quiet                 Only warnings, errors and the table
      -v, --verbose               What was negotiated, and what the library logs
      -h, --help                  This text

    Steps are tried from short to long, and from few streams to many; what asks for more than
    one that failed is left out. In each step it is checked that every frame comes back, that
    the stream can be read, that frames come at their rate and bits not above theirs, that
    memory and open files do not grow (in steps of 4 s and longer), that the board does not
    throttle, and that the kernel logs no defect.

    \(presets)

    Exit codes:
      0                           Stable: every step was
      1                           Unstable: some step was not, hung, or did not come back
      2                           Untested: some step could not be tried, and none was unstable
      64, 65                      Wrong arguments; a damaged journal
      69, 77                      No usable device; no permission
      70, 71, 73, 74              A defect; no memory; cannot create or write the journal
      129, 130, 143               Stopped (SIGHUP, Ctrl-C, SIGTERM); the journal goes on from
                                  there

    """

  // MARK: - What several pages have

  private static let quality = """
    Quality:
      --preset live|recording|safe
                                  A set of values, see below
      -b, --bitrate RATE          Target, such as 4M or 500k (default: 0.1 bit per pixel, HEVC
                                  0.07)
      --peak-bitrate RATE         Peak of vbr (default: 1.5 times the bitrate)
      --rate-control cbr|vbr|cq   Constant bitrate (default), variable bitrate, constant
                                  quantizer
      --qp N                      Quantizer of cq, 0 (best) to 51; implies cq
      --init-qp N                 Quantizer of the first picture
      --min-qp N                  Lowest quantizer allowed (default 10)
      --max-qp N                  Highest quantizer allowed (default 51)
      --gop N                     Pictures from key frame to key frame (default: 2 seconds)
    """

  private static let reports = """
    Reports:
      --save-pts FILE             Write presentation times, mkvmerge format v2
      --stats FILE                Write a line of JSON per packet and per period
      --trace FILE                Write every request to the device, and its answer, to this
                                  file
      --progress FILE|-           Write how far it is, as FFmpeg's -progress does: lines
                                  key=value
      --stats-period TIME         How often --progress and --stats write, such as 2s or 100ms
                                  (default: 0.5s)
      --no-progress               No status line (there is none without a terminal)
      -q, --quiet                 Only warnings and errors
      -v, --verbose               What was negotiated, and each control as asked and applied
      -h, --help                  This text
    """

  private static let presets = """
    Presets (any option given besides one wins):
      live                        CBR, Constrained Baseline (HEVC: Main), no B-frames, headers
                                  at every IDR
      recording                   VBR with a peak of 1.5 times the bitrate, High (HEVC: Main)
      safe                        known stable on Rockchip, good for any driver: CBR, init QP
                                  26, QP 10 to 51, GOP 30
    """

  private static let exitCodes = """
    Exit codes (sysexits.h):
      0                           Done
      64, 65, 66                  Wrong arguments; damaged input; no such input
      69, 77                      No usable device; no permission
      70, 71                      A defect; no memory
      73, 74, 75                  Cannot create output; read, write or device error; timed out
      129, 130, 143               Stopped (SIGHUP, Ctrl-C, SIGTERM); what was encoded is written
    """

  private static let controls = """
      --profile P                 baseline, constrained-baseline, main, high; HEVC: main
      --level L|auto              Level, such as 4.1 (default: the lowest that fits)
      --set CONTROL=VALUE         Set a codec control by its kernel name or number, after all
                                  others; may be repeated
    """

  private static let recovery = """
      --recover N                 When the device fails, open it again, N times in a row at
                                  most, and for no longer than 30 s; no frame is lost
    """
}
