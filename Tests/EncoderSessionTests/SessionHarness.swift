import Foundation
import V4L2Encoder
import VirtualV4L2Device

/// Small pictures and an encoder on the in-process device, for tests of the session itself.
enum Harness {
  static let size = VideoSize(width: 320, height: 192)

  static func device(
    api: VirtualDevice.Configuration.Interface = .multiplanar, nullDelay: Int = 0
  ) throws -> VirtualDevice {
    try VirtualDevice(
      VirtualDevice.Configuration(api: api, h264: .null, hevc: .null, nullDelay: nullDelay))
  }

  static func configuration(
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) -> EncoderConfiguration {
    var configuration = EncoderConfiguration(
      size: size, inputFormat: .i420, frameRate: Rational(25),
      rateControl: .constant(bitrate: 1_000_000))
    configuration.timeBase = Rational(1, 25)
    configuration.keyFrameInterval = 10
    change(&configuration)
    return configuration
  }

  /// A grey picture.
  static func frame(
    _ time: Int64, size: VideoSize = size, format: PixelFormat = .i420
  ) throws -> VideoFrame {
    let memory = FrameMemory(byteCount: size.width * size.height * 4) { bytes in
      for offset in stride(from: 0, to: bytes.byteCount, by: 64) {
        bytes.storeBytes(
          of: UInt8(truncatingIfNeeded: time &* 3 &+ 40), toByteOffset: offset, as: UInt8.self)
      }
    }
    return try VideoFrame(format: format, size: size, memory: memory, presentationTime: time)
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

  /// Reads packets in a task of its own; their times, also of those before an error, and the error.
  static func collectToTheEnd(
    _ packets: PacketSequence
  ) -> Task<(times: [Int64], error: EncoderError?), Never> {
    Task {
      var times: [Int64] = []
      do throws(EncoderError) {
        for try await packet in packets { times.append(packet.presentationTime) }
        return (times, nil)
      } catch {
        return (times, error)
      }
    }
  }
}

/// The times of frames without a gap.
func times(_ range: Range<Int64>) -> [Int64] { range.map { $0 } }

/// All bytes of a file.
func readFile(_ path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}
