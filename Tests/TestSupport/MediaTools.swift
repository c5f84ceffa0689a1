internal import Foundation
internal import V4L2Encoder

/// What `ffmpeg` and `ffprobe` say and do, so that an independent program judges every stream.
public enum MediaTools {
  /// How a decoded clip is stored.
  public enum Container: Hashable, Sendable {
    /// YUV4MPEG2, 4:2:0.
    case yuv4mpeg
    /// Pictures without any header, in one of FFmpeg's pixel formats such as `yuv420p` or `nv12`.
    case raw(String)
  }

  /// Decodes a clip once per test run.
  ///
  /// - Parameters:
  ///   - fixture: the clip.
  ///   - container: how it is stored.
  ///   - frames: how many frames from the start; nil takes all.
  ///   - size: the size to scale to; nil keeps the clip's.
  /// - Returns: the path of the decoded clip, which lasts as long as the test process.
  /// - Throws: `TestSupportError` when `ffmpeg` is missing or fails.
  public static func decode(
    _ fixture: Fixture, to container: Container = .raw("yuv420p"), frames: Int? = nil,
    size: (width: Int, height: Int)? = nil
  ) async throws -> String {
    let key = FixtureCache.Key(
      fixture: fixture, container: container, frames: frames, width: size?.width,
      height: size?.height)
    return try await FixtureCache.shared.path(for: key)
  }

  /// The clip as mapped I420 pictures.
  ///
  /// - Throws: `TestSupportError` when `ffmpeg` is missing or fails.
  public static func pictures(_ fixture: Fixture, frames: Int? = nil) async throws -> PlanarVideo {
    try PlanarVideo(
      path: await decode(fixture, frames: frames), width: fixture.width, height: fixture.height)
  }

  /// Decodes an encoded 4:2:0 stream to its own pictures, neither scaled nor range-converted.
  ///
  /// - Parameters:
  ///   - stream: the path of an elementary stream or a container file.
  ///   - directory: where the pictures are put; it must outlive the result.
  /// - Returns: the pictures.
  /// - Throws: `TestSupportError` when the decoder finds anything to complain about.
  public static func decode(
    stream: String, in directory: TemporaryDirectory
  ) async throws -> PlanarVideo {
    let facts = try await probe(stream)
    guard ["yuv420p", "yuvj420p"].contains(facts.pixelFormat) else {
      throw TestSupportError("\(stream) is \(facts.pixelFormat), not 4:2:0 of 8 bits")
    }
    let path = directory.file("decoded-\(UInt64.random(in: 0...UInt64.max)).yuv")
    try await ffmpeg(
      ["-i", stream, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", path])
    return try PlanarVideo(path: path, width: facts.width, height: facts.height)
  }

  /// Runs `ffmpeg`, quiet but for errors, and fails on any error it mentions.
  ///
  /// - Throws: `TestSupportError` with what it said.
  public static func ffmpeg(_ arguments: [String], within limit: Duration = .seconds(120))
    async throws
  {
    let result = try await Subprocess.run(
      "ffmpeg", ["-nostdin", "-hide_banner", "-v", "error", "-y"] + arguments, within: limit)
    guard result.exitCode == 0, result.errorOutput.isEmpty else {
      throw TestSupportError(
        "ffmpeg \(arguments.joined(separator: " ")): \(result.errorText.prefix(2000))")
    }
  }

  /// Reads everything `ffprobe` knows of a stream, decoding it for the count of frames.
  ///
  /// - Throws: `TestSupportError` when there is no video in it.
  public static func probe(_ stream: String) async throws -> StreamFacts {
    let result = try await Subprocess.run(
      "ffprobe",
      [
        "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_streams",
        "-show_packets", "-of", "json", stream,
      ])
    guard result.exitCode == 0 else {
      throw TestSupportError("ffprobe \(stream): \(result.errorText.prefix(2000))")
    }
    return try StreamFacts(json: result.output)
  }
}

/// Decoded clips of this run; each is decoded once, however many tests ask at the same time.
private final class FixtureCache: Sendable {
  struct Key: Hashable {
    var fixture: Fixture
    var container: MediaTools.Container
    var frames: Int?
    var width, height: Int?
  }

  static let shared = FixtureCache()
  private let jobs = Locked([Key: Task<String, any Error>]())

  func path(for key: Key) async throws -> String {
    let job = jobs.withLock { jobs in
      if let job = jobs[key] { return job }
      let number = jobs.count
      let job = Task { try await Self.decode(key, number: number) }
      jobs[key] = job
      return job
    }
    return try await job.value
  }

  private static func decode(_ key: Key, number: Int) async throws -> String {
    var arguments = ["-i", key.fixture.path, "-map", "0:v:0"]
    if let frames = key.frames { arguments += ["-frames:v", "\(frames)"] }
    if let width = key.width, let height = key.height {
      arguments += ["-vf", "scale=\(width):\(height)"]
    }
    let path: String
    switch key.container {
    case .yuv4mpeg:
      path = try RunDirectory.file("\(number).y4m")
      arguments += ["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", path]
    case .raw(let format):
      path = try RunDirectory.file("\(number).\(format)")
      arguments += ["-pix_fmt", format, "-f", "rawvideo", path]
    }
    try await MediaTools.ffmpeg(arguments)
    return path
  }
}
