import CV4L2
import Foundation
import Glibc
import TestSupport
import Testing

@testable import V4L2Encoder
@testable import VirtualV4L2Device

/// Real clips, encoded by the device's codecs and decoded again by FFmpeg.
@Suite("Codecs of the virtual device", .timeLimit(.minutes(5)))
struct CodecTests {
  /// Everything one encode is made of.
  struct Run {
    var api = VirtualDevice.Configuration.Interface.multiplanar
    var codec = CV4L2_PIX_FMT_H264
    var raw = CV4L2_PIX_FMT_NV12
    var width = 1280
    var height = 720
    var frames = 30
    var controls: [(Int32, Int32)] = []
    var color: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    /// Called before the frame with this number is queued.
    var beforeFrame: (DeviceClient, Int) throws -> Void = { _, _ in }
  }

  struct Outcome {
    var stream = Data()
    var packets: [(packet: DeviceClient.Dequeued, bytes: Data)] = []
  }

  /// Encodes I420 frames through a run's format and drains.
  static func encode(_ run: Run, _ video: Data) throws -> Outcome {
    let device = try VirtualDevice(.init(api: run.api))
    let client = try DeviceClient(device, isMultiplanar: run.api == .multiplanar)
    _ = try client.setFormat(.capture, run.codec)
    let format = try client.setFormat(
      .output, run.raw, UInt32(run.width), UInt32(run.height), color: run.color)
    _ = try client.setCrop(UInt32(run.width), UInt32(run.height))
    for (identifier, value) in run.controls { try client.setControl(identifier, value) }
    try client.mapAll(.output, try client.request(.output, 2))
    try client.mapAll(.capture, try client.request(.capture, 4))
    try client.stream(.output, on: true)
    try client.stream(.capture, on: true)
    for index in 0..<4 { try client.queue(.capture, index) }

    var outcome = Outcome()
    func take() throws -> Bool {
      let packet = try client.dequeue(.capture)
      let bytes = client.bytes(packet)
      if !bytes.isEmpty {
        outcome.packets.append((packet, bytes))
        outcome.stream.append(bytes)
      }
      if !packet.isLast { try client.queue(.capture, packet.index) }
      return packet.isLast
    }
    let frameSize = run.width * run.height * 3 / 2
    for number in 0..<run.frames {
      if number >= 2 { _ = try client.dequeue(.output) }
      try run.beforeFrame(client, number)
      RawPainter.paint(
        video.subdata(in: number * frameSize..<(number + 1) * frameSize), run, format,
        client.planes(.output, number % 2))
      try client.queue(.output, number % 2, timestamp: 1_000_000 + number * 40_000)
      while client.handleHasPacket { _ = try take() }
    }
    #expect(client.command(V4L2_ENC_CMD_STOP) == 0)
    while try !take() {}
    return outcome
  }

  private static let clip = Task { try await FFmpeg.i420("bigbuckbunny.mp4", frames: 60) }
  private static let small = Task { try await FFmpeg.i420("carphone_pristine.mp4", frames: 60) }

  @Test(
    "A 720p clip reaches 38 dB at 4 Mbit/s", arguments: RealCodecs.all)
  func quality(codec: UInt32) async throws {
    let video = Data(try await Self.clip.value)
    let run = Run(
      codec: codec, frames: 60,
      controls: [(V4L2_CID_MPEG_VIDEO_BITRATE, 4_000_000), (V4L2_CID_MPEG_VIDEO_GOP_SIZE, 60)])
    let outcome = try Self.encode(run, video)
    let decoded = try await FFmpeg.decode(outcome.stream, codec)
    #expect(decoded.count == i420Size(60, 1280, 720))
    let quality = lumaQuality(decoded, video, width: 1280, height: 720, frames: 60)
    #expect(quality >= 38)
    #expect(outcome.packets.map(\.packet.timestamp) == (0..<60).map { 1_000_000 + $0 * 40_000 })
  }

  @Test(
    "Every raw format shows the same picture",
    arguments: VirtualDevice.Configuration().offeredRawFormats.map(\.fourCC), RealCodecs.all)
  func rawFormats(raw: UInt32, codec: UInt32) async throws {
    let video = Data(try await Self.small.value)
    let run = Run(
      codec: codec, raw: raw, width: 176, height: 144, frames: 10,
      controls: [(V4L2_CID_MPEG_VIDEO_BITRATE, 2_000_000)])
    let decoded = try await FFmpeg.decode(try Self.encode(run, video).stream, codec)
    #expect(decoded.count == i420Size(10, 176, 144))
    #expect(lumaQuality(decoded, video, width: 176, height: 144, frames: 10) > 35)
    #expect(chromaQuality(decoded, video, width: 176, height: 144, frames: 10) > 35)
  }

  @Test(
    "The single-planar interface encodes the same way",
    arguments: VirtualDevice.Configuration(api: .singlePlanar).offeredRawFormats.map(\.fourCC))
  func singlePlanar(raw: UInt32) async throws {
    let video = Data(try await Self.small.value)
    let run = Run(api: .singlePlanar, raw: raw, width: 176, height: 144, frames: 10)
    let decoded = try await FFmpeg.decode(try Self.encode(run, video).stream, run.codec)
    #expect(decoded.count == i420Size(10, 176, 144))
    #expect(lumaQuality(decoded, video, width: 176, height: 144, frames: 10) > 35)
  }

  @Test("The crop rectangle decides the size", arguments: RealCodecs.all)
  func cropped(codec: UInt32) async throws {
    // 16x16 up to something that is no multiple of a macroblock.
    for (width, height) in [(16, 16), (66, 50), (174, 130)] {
      let video = TestPicture.i420(width: width, height: height, frames: 4)
      let run = Run(codec: codec, width: width, height: height, frames: 4)
      let decoded = try await FFmpeg.decode(try Self.encode(run, video).stream, codec)
      #expect(decoded.count == i420Size(4, width, height), "\(width)x\(height)")
      #expect(lumaQuality(decoded, video, width: width, height: height, frames: 4) > 30)
    }
  }
}

extension DeviceClient {
  /// Whether a packet is ready now.
  var handleHasPacket: Bool {
    (try? handle.wait(for: .capture, until: MonotonicTime(nanoseconds: 0)).contains(.capture))
      ?? false
  }
}
