import Foundation
import TestSupport
import Testing
import V4L2Encoder

/// What an encoder on vicodec made of some pictures.
struct Recording {
  /// The path of the stream.
  var stream: String
  var packets: [EncodedPacket]
  var report: NegotiationReport
  var statistics: EncoderStatistics
  /// What the encoder had to say on the way.
  var events: [EncoderEvent]

  static let size = VideoSize(width: 1280, height: 720)

  /// The clip that the host decoded for the guest.
  ///
  /// - Throws: `TestSupportError` when the runner of the guest did not say where it is.
  static func clip() throws -> PlanarVideo {
    try PlanarVideo(
      path: try file("bigbuckbunny.yuv"), width: size.width, height: size.height)
  }

  /// Two of its pictures in another raw format, one after the other.
  ///
  /// - Throws: `TestSupportError` as `clip`, and when there is no such file.
  static func raw(named format: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: try file("two.\(format)"))))
  }

  private static func file(_ name: String) throws -> String {
    guard let directory = ProcessInfo.processInfo.environment["V4L2ENC_KERNEL_CLIPS"] else {
      throw TestSupportError("V4L2ENC_KERNEL_CLIPS is not set; run make test-kernel")
    }
    return "\(directory)/\(name)"
  }

  static func configuration(
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) -> EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: size, frameRate: Rational(25), rateControl: .constantQuantizer(20))
    configuration.timeBase = Rational(1, 25)
    configuration.keyFrameInterval = 10
    change(&configuration)
    return configuration
  }

  /// A picture of the clip, in memory as a file has it.
  static func frame(_ index: Int, of clip: PlanarVideo, at time: Int64? = nil) throws -> VideoFrame
  {
    try VideoFrame(
      format: .i420, size: VideoSize(width: clip.width, height: clip.height),
      memory: FrameMemory(copying: clip.frame(index)), presentationTime: time ?? Int64(index))
  }

  /// Opens an encoder, encodes frames, drains, closes and writes the stream to a file.
  static func make(
    _ configuration: EncoderConfiguration = configuration(), in directory: TemporaryDirectory,
    named name: String = "out.fwht", frames: Range<Int>,
    _ frame: (Int) throws -> VideoFrame
  ) async throws -> Recording {
    let events = Locked<[EncoderEvent]>([])
    let observer = EncoderObserver(event: { event in events.withLock { $0.append(event) } })
    let path = try KernelGuest.encoder()
    let encoder = try await FWHTEncoder.open(configuration, on: .path(path), observer: observer)
    let reader = collect(encoder.packets)
    for index in frames { try await encoder.encode(try frame(index)) }
    try await encoder.drain()
    let statistics = encoder.statistics
    let report = encoder.negotiated
    await encoder.close()
    let packets = try await reader.value
    let stream = try directory.write(packets.flatMap(\.data.array), to: name)
    return Recording(
      stream: stream, packets: packets, report: report, statistics: statistics,
      events: events.withLock { $0 })
  }

  /// Reads packets in a task of its own until the encoder is closed.
  static func collect<Packets: AsyncSequence & Sendable>(
    _ packets: Packets
  ) -> Task<[EncodedPacket], any Error> where Packets.Element == EncodedPacket {
    Task {
      var all: [EncodedPacket] = []
      for try await packet in packets { all.append(packet) }
      return all
    }
  }

  /// The frames of a stream, found by walking from header to header.
  ///
  /// - Throws: `TestSupportError` when the stream does not consist of whole frames.
  static func headers(of stream: String) throws -> [FWHTHeader] {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: stream)))
    var headers: [FWHTHeader] = []
    var offset = 0
    while offset < bytes.count {
      let rest = bytes.span.bytes.extracting(offset..<bytes.count)
      guard let header = FWHTHeader(rest) else {
        throw TestSupportError("\(stream) has no frame at \(offset) of \(bytes.count)")
      }
      headers.append(header)
      offset += FWHTHeader.byteCount + header.payloadByteCount
    }
    guard offset == bytes.count else { throw TestSupportError("\(stream) ends within a frame") }
    return headers
  }

  /// Decodes a stream of 4:2:0 pictures by vicodec's own decoder.
  ///
  /// - Throws: `TestSupportError` when v4l2-ctl fails or does not write whole pictures.
  static func decode(
    _ stream: String, size: VideoSize = size, in directory: TemporaryDirectory
  ) async throws -> PlanarVideo {
    let output = directory.file("decoded-\(UInt64.random(in: 0...UInt64.max)).yuv")
    let result = try await Subprocess.run(
      "v4l2-ctl",
      [
        "-d", try KernelGuest.decoder(), "--stream-mmap", "--stream-out-mmap",
        "--stream-from", stream, "--stream-to", output,
      ], within: .seconds(60))
    guard result.exitCode == 0 else {
      throw TestSupportError("v4l2-ctl does not decode \(stream): \(result.errorText)")
    }
    return try PlanarVideo(path: output, width: size.width, height: size.height)
  }
}
