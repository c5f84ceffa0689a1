import Foundation
import V4L2Encoder
import VirtualV4L2Device

// Two seconds of a moving gradient, to picture.h264. The first argument, if any, is the device.
let path = CommandLine.arguments.dropFirst().first
let device: DeviceSelector = try path.map { .path($0) } ?? .virtual(VirtualDevice())
let stream = URL(fileURLWithPath: "picture.h264")
try Data().write(to: stream)
let output = try FileHandle(forWritingTo: stream)

let size = VideoSize(width: 640, height: 360)
let configuration = EncoderConfiguration(size: size, rateControl: .constant(bitrate: 1_000_000))
let encoder = try await H264Encoder.open(configuration, on: device)
let writing = Task {
  for try await packet in encoder.packets { try output.write(contentsOf: packet.data.array) }
}
for frame in try gradient(size: size, count: 50) { try await encoder.encode(frame) }
try await encoder.drain()
await encoder.close()
try await writing.value

print("\(encoder.statistics.packetsOut) packets in \(stream.path)")
