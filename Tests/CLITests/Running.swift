import TestSupport

/// Runs the built command.
func v4l2enc(
  _ arguments: [String], input: SubprocessInput = .nothing
) async throws -> SubprocessResult {
  try await Subprocess.run(try builtBinary(named: "v4l2enc"), arguments, input: input)
}

/// Runs `v4l2enc encode … --device virtual`.
func encodeVirtually(
  _ arguments: String..., input: SubprocessInput = .nothing
) async throws -> SubprocessResult {
  try await v4l2enc(["encode"] + arguments + ["--device", "virtual"], input: input)
}

/// I420 pictures of 64x64 that differ from each other.
func rawFrames(_ count: Int) -> [UInt8] {
  (0..<count).flatMap { frame in
    (0..<64 * 64 * 3 / 2).map { UInt8(truncatingIfNeeded: $0 / 7 &+ frame * 5) }
  }
}

/// A y4m stream of 64x64 with these frames.
func y4m(_ frames: Int, header: String = "YUV4MPEG2 W64 H64 F25:1 C420jpeg") -> [UInt8] {
  let size = 64 * 64 * 3 / 2
  let pictures = rawFrames(frames)
  return Array("\(header)\n".utf8)
    + (0..<frames).flatMap { Array("FRAME\n".utf8) + pictures[$0 * size..<($0 + 1) * size] }
}
