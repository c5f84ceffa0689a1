import CV4L2
import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// A camera whose driver answers questions with arbitrary numbers.
private final class GarbageCamera: Transport {
  private static let answers: Set<UInt> = [
    CV4L2_VIDIOC_ENUM_FMT, CV4L2_VIDIOC_ENUM_FRAMESIZES, CV4L2_VIDIOC_ENUM_FRAMEINTERVALS,
    CV4L2_VIDIOC_ENUMINPUT, CV4L2_VIDIOC_G_INPUT, CV4L2_VIDIOC_QUERY_DV_TIMINGS,
    CV4L2_VIDIOC_G_DV_TIMINGS, CV4L2_VIDIOC_G_FMT, CV4L2_VIDIOC_S_FMT, CV4L2_VIDIOC_G_PARM,
    CV4L2_VIDIOC_S_PARM, CV4L2_VIDIOC_DQBUF,
  ]
  private static let numbers: [UInt32] = [
    0, 1, 2, 3, 64, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
  ]

  let camera: TestCamera
  private let share: UInt64
  private let random: Locked<SeededGenerator>

  /// Of the words of every answer `share` in 256 are arbitrary.
  init(_ camera: TestCamera, seed: UInt64, share: UInt64) {
    self.camera = camera
    self.share = share
    random = Locked(SeededGenerator(seed: seed))
  }

  func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    Handle(self, try camera.open(path))
  }

  private func spoil(_ request: UInt, _ argument: UnsafeMutableRawPointer) {
    let words = Int(request >> 16 & 0x3fff) / 4
    random.withLock { random in
      for word in 0..<words where random.next() % 256 < share {
        let number = Self.numbers[Int(random.next() % UInt64(Self.numbers.count))]
        argument.storeBytes(of: number, toByteOffset: word * 4, as: UInt32.self)
      }
    }
  }

  private final class Handle: DeviceHandle {
    private let camera: GarbageCamera
    private let inner: any DeviceHandle

    init(_ camera: GarbageCamera, _ inner: any DeviceHandle) {
      self.camera = camera
      self.inner = inner
    }

    func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
      var result = inner.ioctl(request, argument)
      guard GarbageCamera.answers.contains(request) else { return result }
      // What the camera does not answer itself is a list of four.
      if result == -ENOTTY, argument.load(as: UInt32.self) < 4 { result = 0 }
      if result == 0 { camera.spoil(request, argument) }
      return result
    }
    func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
      try inner.map(plane, length: length)
    }
    func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
      inner.unmap(address, length: length)
    }
    func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
      try inner.wait(for: interest, until: deadline)
    }
    func wake() { inner.wake() }
    func reopen() throws(Errno) { try inner.reopen() }
    func close() { inner.close() }
  }
}

@Suite("A camera that answers garbage", .timeLimit(.minutes(2)))
struct GarbageCameraTests {
  @Test(
    "is described, or refused, and never the end of the process",
    arguments: [256, 64, 8] as [UInt64])
  func offers(share: UInt64) {
    for seed in 0..<200 as Range<UInt64> {
      let camera = GarbageCamera(TestCamera(.nv12), seed: seed, share: share)
      guard
        let report = try? CaptureSource.offers(of: DeviceSelector(.node(path: "camera", camera)))
      else { continue }
      for size in [nil, VideoSize(width: 1280, height: 720)] {
        let choice = CameraChoice.best(
          among: report.formats, size: size, frameRate: nil, encoderFormats: [.nv12])
        // Nothing was chosen, or something that was offered.
        #expect(choice.map { report.formats.map(\.format).contains($0.format) } ?? true)
      }
    }
  }

  @Test("is captured from until it fails", arguments: [256, 16, 2] as [UInt64])
  func capture(share: UInt64) async throws {
    for seed in 0..<24 as Range<UInt64> {
      let size = VideoSize(width: 64, height: 48)
      let inner = TestCamera(
        seed.isMultiple(of: 2) ? .nv12 : .mjpeg,
        signal: seed % 3 == 0 ? .own : .timings(size, pixelClock: 64 * 48 * 30))
      let camera = GarbageCamera(inner, seed: seed, share: share)
      var configuration = CaptureConfiguration(size: size, format: inner.format, buffers: 4)
      configuration.deadlines.progress = .milliseconds(50)
      configuration.signalPatience = .upTo(.milliseconds(50))
      let source: CaptureSource
      do {
        source = try await CaptureSource.open(
          configuration, on: DeviceSelector(.node(path: "camera", camera)))
      } catch {
        #expect(inner.openCount == 0)
        continue
      }
      let sending = Task {
        for _ in 0..<8 {
          inner.send([UInt8](repeating: 7, count: 64 * 48 * 3 / 2))
          try await Task.sleep(for: .milliseconds(2))
        }
      }
      try await withDeadline(.seconds(30), "the end of seed \(seed)") {
        do {
          for try await frame in source.frames { _ = frame.sequence }
        } catch {
          // That it ends is what counts.
        }
      }
      sending.cancel()
      await source.close()
      #expect(inner.openCount == 0)
    }
  }
}
