import CV4L2
import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// A capture source on a camera whose every move is dictated.
struct CameraStage {
  static let size = VideoSize(width: 64, height: 48)
  let log = CaptureEventLog()

  func open(
    _ camera: TestCamera, _ change: (inout CaptureConfiguration) -> Void = { _ in }
  ) async throws -> CaptureSource {
    var configuration = CaptureConfiguration(size: nil, format: camera.format, buffers: 4)
    if camera.isWebcam { configuration.size = Self.size }
    configuration.deadlines.progress = .seconds(20)
    configuration.signalPatience = .upTo(.seconds(60))
    change(&configuration)
    return try await CaptureSource.open(
      configuration, on: camera.selector, observer: log.observer)
  }

  /// Waits until the camera has been set up once more and runs with all its buffers.
  func isSetUpAgain(_ camera: TestCamera, for source: CaptureSource) async throws {
    try await eventually("the camera is set up again") { source.statistics.restarts == 1 }
    try await isRunning(camera)
  }

  /// Waits until the camera runs with all its buffers.
  func isRunning(_ camera: TestCamera) async throws {
    try await eventually("the camera runs") { camera.isStreaming && camera.queuedCount == 4 }
  }

  /// A picture all of whose bytes are the same.
  func picture(_ value: UInt8 = 90, _ size: VideoSize = Self.size) -> [UInt8] {
    [UInt8](repeating: value, count: size.width * size.height * 3 / 2)
  }

  /// Takes four frames, so that the camera has no buffer left; the bytes of each are its number.
  func takeAllBuffers(
    of camera: TestCamera, _ frames: inout CaptureSequence.AsyncIterator
  ) async throws -> [CapturedFrame] {
    var held: [CapturedFrame] = []
    for value in 0..<4 {
      camera.send(picture(UInt8(value)))
      held.append(try await next(&frames))
    }
    return held
  }

  func next(_ frames: inout CaptureSequence.AsyncIterator) async throws -> CapturedFrame {
    try #require(try await frames.next())
  }

  /// The error that ends the frames.
  func failure(of source: CaptureSource) async -> EncoderError? {
    await #expect(throws: EncoderError.self) {
      try await withDeadline(.seconds(30), "the end of the frames") {
        for try await _ in source.frames {}
      }
    }
  }

  func bytes(_ frame: VideoFrame) throws -> [UInt8] {
    guard case .memory(let memory, _) = frame.storage else {
      throw TestSupportError("the frame is in a DMABUF")
    }
    return memory.bytes.withUnsafeBytes { [UInt8]($0) }
  }
}
