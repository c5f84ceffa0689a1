import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What discovery makes of machines with nodes of all kinds.
@Suite(.timeLimit(.minutes(2))) struct DiscoveryTests {
  /// Made anew each time: the sanitizer does not find the array of one that is kept.
  private static var camera: FakeMachine.Node {
    .listed(capabilities: V4L2_CAP_VIDEO_CAPTURE, output: [], capture: [.yuyv])
  }

  private func encoder(_ bend: @escaping BentTransport.Bend = { $2.perform($0, $1) }) throws
    -> FakeMachine.Node
  { .encoder(BentTransport(try VirtualDevice(), bend: bend)) }

  private func need(
    _ codec: VideoCodec = .h264, _ size: VideoSize = VideoSize(width: 1280, height: 720),
    rate: Rational = Rational(30)
  ) -> EncodingNeed {
    EncodingNeed(
      codec,
      EncoderConfiguration(size: size, frameRate: rate, rateControl: .constant(bitrate: 1_000_000)))
  }

  @Test("every node that may be an encoder is listed, NVIDIA's first, then by number")
  func candidates() throws {
    let fake = try FakeMachine(
      [
        "video10": Self.camera, "video2": Self.camera, "videotape": Self.camera,
        "nvhost-msenc": Self.camera, "v4l2-nvenc": Self.camera, "video-enc0": Self.camera,
        "null": Self.camera,
      ])
    var machine = fake.machine
    machine.extraPaths = ["/opt/encoder", fake.path("video2")]
    #expect(
      machine.candidates
        == ["v4l2-nvenc", "nvhost-msenc", "video-enc0", "video2", "video10"].map(fake.path)
        + ["/opt/encoder"])
    #expect(Machine(root: "/nonexistent").candidates.isEmpty)
  }

  @Test("each node is called what it is")
  func kinds() throws {
    let both = V4L2_CAP_VIDEO_M2M
    let fake = try FakeMachine([
      "video0": Self.camera,
      "video1": .listed(capabilities: both, output: [.h264], capture: [.nv12]),
      "video2": .listed(capabilities: both, output: [.nv12], capture: [.rgb24]),
      "video3": .listed(capabilities: both, output: [.nv12], capture: [.jpeg]),
      "video4": .listed(capabilities: V4L2_CAP_VIDEO_OUTPUT, output: [.nv12], capture: []),
      "video5": try encoder(),
      "video6": .refuses(ENOMEM), "video7": .refuses(EBUSY), "video8": .refuses(ENODEV),
    ])
    let reports = DeviceCatalog.devices(of: fake.machine, through: fake)
    let kinds: [DeviceReport.Kind] = [
      .camera, .decoder, .converter, .other, .other, .encoder, .unknown, .unknown, .unknown,
    ]
    #expect(reports.map(\.kind) == kinds)
    let words = [
      "is a camera", "is a decoder", "converts pictures", "encodes still pictures", "is no codec",
      nil, "CMA", "is busy", "went away",
    ]
    for (report, word) in zip(reports, words) {
      #expect((report.refusal == nil) == (word == nil))
      guard let word, let refusal = report.refusal else { continue }
      #expect(refusal.hasPrefix(report.path) && refusal.contains(word), "\(refusal)")
    }
    #expect(reports[6].error?.code == .outOfMemory)
    #expect(reports[7].error?.code == .deviceBusy)
    #expect(reports[5].error == nil && reports[0].error == nil)
  }

  @Test("a node that hangs is left behind after its deadline, and the others are examined")
  func hangingNode() throws {
    let gate = Gate()
    defer { gate.open() }
    let hanging = BentTransport(
      try VirtualDevice(),
      bend: { request, argument, device in
        if request == CV4L2_VIDIOC_QUERYCAP { gate.wait() }
        return device.perform(request, argument)
      })
    let fake = try FakeMachine([
      "video0": .hangs(gate), "video1": .encoder(hanging), "video2": try encoder(),
    ])
    let start = MonotonicTime.now
    let reports = DeviceCatalog.devices(of: fake.machine, through: fake)
    #expect(MonotonicTime.now - start < .seconds(60))
    #expect(reports.map(\.error?.code) == [.deviceStalled, .deviceStalled, nil])
    #expect(reports[0].refusal?.contains("\(fake.path("video0")) has not answered") == true)
    #expect(reports[2].refusal == nil)
  }

  @Test(
    "boards without an encoder are named",
    arguments: [
      ("Raspberry Pi 5 Model B Rev 1.0", "the Raspberry Pi 5"),
      ("Raspberry Pi Compute Module 5 Rev 1.0", "the Raspberry Pi Compute Module 5"),
      ("Raspberry Pi 500 Rev 1.0", "the Raspberry Pi 500"),
      ("NVIDIA Jetson Orin Nano Developer Kit", "the Jetson Orin Nano"),
    ])
  func boards(model: String, name: String) throws {
    let fake = try FakeMachine(["video0": Self.camera], board: model)
    #expect(fake.machine.board?.model == model)
    #expect(fake.machine.board?.lacksEncoder == "\(name) has no video encoder in hardware")
    let advice = DeviceCatalog.advice(
      of: fake.machine, insteadOf: fake.path("video0"), for: .h264, through: fake)
    #expect(advice == "\(name) has no video encoder in hardware")
  }

  @Test(
    "boards with an encoder are not",
    arguments: [
      "Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi Zero 2 W Rev 1.0",
      "NVIDIA Jetson Orin NX Engineering Reference Developer Kit", "Radxa ROCK 5B",
    ])
  func otherBoards(model: String) throws {
    #expect(Board(model: model).lacksEncoder == nil)
    #expect(Board(model: model).refusal(ofOpening: "/dev/v4l2-nvenc") == nil)
    #expect(try FakeMachine([:]).machine.board == nil)
  }

  @Test("NVIDIA's nodes are never opened on an Orin Nano, and are on others")
  func orinNano() throws {
    let nodes = ["v4l2-nvenc", "nvhost-msenc", "video0"]
    for (board, opened) in [
      ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", ["video0"]),
      ("NVIDIA Jetson AGX Orin Developer Kit", nodes),
    ] {
      let fake = try FakeMachine(
        Dictionary(uniqueKeysWithValues: nodes.map { ($0, Self.camera) }), board: board)
      let reports = DeviceCatalog.devices(of: fake.machine, through: fake)
      #expect(reports.count == 3)
      #expect(fake.openedNodes == opened)
      guard opened.count == 1 else { continue }
      for report in reports.prefix(2) {
        #expect(report.error?.code == .deviceUnavailable)
        #expect(report.refusal?.contains("the Jetson Orin Nano has no video encoder") == true)
      }
      #expect(throws: EncoderError.self) {
        _ = try fake.openNode(fake.path("v4l2-nvenc"), on: fake.machine)
      }
      #expect(fake.openedNodes == opened)
    }
  }

  @Test("the choice goes by codec, size, frame rate and format, not by the node's number")
  func choice() throws {
    // The first knows no limits, the second ends at 640x480, the third at 10 frames per second.
    let vague = try encoder { request, argument, device in
      request == CV4L2_VIDIOC_ENUM_FRAMESIZES ? -ENOTTY : device.perform(request, argument)
    }
    let small = try encoder { request, argument, device in
      let result = device.perform(request, argument)
      if request == CV4L2_VIDIOC_ENUM_FRAMESIZES, result == 0 {
        let sizes = argument.assumingMemoryBound(to: v4l2_frmsizeenum.self)
        sizes.pointee.stepwise.max_width = 640
        sizes.pointee.stepwise.max_height = 480
      }
      return result
    }
    let slow = try encoder { request, argument, device in
      let result = device.perform(request, argument)
      if request == CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, result == 0 {
        let intervals = argument.assumingMemoryBound(to: v4l2_frmivalenum.self)
        intervals.pointee.stepwise.min = v4l2_fract(numerator: 1, denominator: 10)
      }
      return result
    }
    let hevcOnly = FakeMachine.Node.encoder(
      BentTransport(try VirtualDevice(.init(h264: .none, hevc: .null))))
    let fake = try FakeMachine([
      "video0": vague, "video1": small, "video2": slow, "video3": hevcOnly, "video4": try encoder(),
      "video5": Self.camera,
    ])
    func order(_ need: EncodingNeed) -> [String] {
      DeviceCatalog.devices(of: fake.machine, for: need, through: fake).filter {
        $0.refusal == nil
      }.map { String($0.path.split(separator: "/").last!) }
    }
    #expect(order(need()) == ["video4", "video0", "video2"])
    #expect(order(need(rate: Rational(5))).first == "video2")
    #expect(
      order(need(.h264, VideoSize(width: 320, height: 240))).prefix(2) == ["video1", "video4"])
    #expect(order(need(.hevc)).contains("video3"))
    let refused = DeviceCatalog.devices(of: fake.machine, for: need(), through: fake).filter {
      $0.refusal != nil
    }
    #expect(
      refused.compactMap(\.refusal).prefix(2)
        == ["takes no pictures above 640x480", "encodes HEVC, not H.264"])
  }

  @Test("the environment's choice is the only one")
  func chosen() throws {
    let fake = try FakeMachine(["video0": try encoder(), "video1": try encoder()])
    var machine = fake.machine
    machine.chosenPath = fake.path("video1")
    let reports = DeviceCatalog.devices(of: machine, for: need(), through: fake)
    #expect(reports.map(\.path) == [fake.path("video1")])
    #expect(fake.openedNodes == ["video1"])
  }

  @Test("an open choice is asked what it can do where the environment says, and traced")
  func chosenCapabilities() throws {
    let fake = try FakeMachine(["video0": try encoder(), "video1": try encoder()])
    let lines = Locked<[String]>([])
    let transport = TracingTransport(
      fake, DeviceTrace { line in lines.withLock { $0.append(line) } })
    var machine = fake.machine
    #expect(
      try CapabilityReader.read(of: machine, through: transport).path == fake.path("video0"))
    machine.chosenPath = fake.path("video1")
    #expect(
      try CapabilityReader.read(of: machine, through: transport).path == fake.path("video1"))
    #expect(lines.withLock { $0.contains { $0.contains("QUERYCAP") } })
  }

  @Test("who names a wrong node is told the right one")
  func advice() throws {
    let hevcOnly = FakeMachine.Node.encoder(
      BentTransport(try VirtualDevice(.init(h264: .none, hevc: .null))))
    let fake = try FakeMachine([
      "video0": Self.camera, "video10": hevcOnly, "video11": try encoder(),
    ])
    func advice(_ node: String, _ codec: VideoCodec?) -> String {
      DeviceCatalog.advice(
        of: fake.machine, insteadOf: fake.path(node), for: codec, through: fake)
    }
    #expect(
      advice("video0", .h264) == "the H.264 encoder on this machine is \(fake.path("video11"))")
    #expect(
      advice("video0", nil)
        == "encoders on this machine are \(fake.path("video10")), \(fake.path("video11"))")
    #expect(advice("video11", .h264) == "this machine has no other H.264 encoder")
  }

  @Test("a busy node is said to be open in the program that holds it")
  func holders() async throws {
    let directory = try TemporaryDirectory()
    let node = try directory.write([], to: "video0")
    let holder = try Subprocess("sleep", ["100"], input: .file(node))
    defer { holder.send(9) }
    try await eventually("sleep has the node open") {
      EncoderError("VIDIOC_S_FMT", Errno(rawValue: EBUSY), device: node, while: "setting it")
        .message.contains("it is open in sleep (process \(holder.processIdentifier))")
    }
  }
}
