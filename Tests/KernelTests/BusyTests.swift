import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// A format that cannot be set because there are buffers already: the driver's EBUSY.
  @Suite(.timeLimit(.minutes(2))) struct Busy {
    /// A handle on which somebody has allocated buffers before the encoder gets it.
    private struct OccupiedTransport: Transport {
      let direction: QueueDirection

      func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
        let handle = try KernelTransport().open(path)
        let type = direction.bufferType(multiplanar: KernelGuest.isMultiplanar)
        do { _ = try handle.requestBuffers(type, count: 2) } catch { throw OpenFailure(error) }
        return handle
      }
    }

    @Test(
      "an encoder with buffers of somebody else is busy, and nothing of it is kept",
      arguments: [QueueDirection.output, .capture])
    func occupiedEncoder(direction: QueueDirection) async throws {
      let path = try KernelGuest.encoder()
      // Another size than the driver's own, whose S_FMT would change nothing.
      let configuration = Recording.configuration { $0.size = VideoSize(width: 640, height: 360) }
      let error = await #expect(throws: EncoderError.self) {
        _ = try await FWHTEncoder.open(
          configuration,
          on: DeviceSelector(.node(path: path, OccupiedTransport(direction: direction))))
      }
      #expect(error?.code == .deviceBusy && error?.operation == "VIDIOC_S_FMT")
      #expect(error?.message.contains("\(path) is busy while setting") == true)
      #expect(try KernelGuest.holdings() == (0, 0))
      let encoder = try await FWHTEncoder.open(configuration, on: .path(path))
      await encoder.close()
    }

    @Test("a camera that somebody else uses is busy, and the other goes on")
    func occupiedCamera() async throws {
      let path = try KernelGuest.node(named: "vivid-000-vid-cap")
      let first = try await CaptureSource.open(
        CaptureConfiguration(size: VideoSize(width: 640, height: 360)), on: .path(path))
      let error = await #expect(throws: EncoderError.self) {
        _ = try await CaptureSource.open(
          CaptureConfiguration(size: VideoSize(width: 1280, height: 720)), on: .path(path))
      }
      #expect(error?.code == .deviceBusy && error?.message.contains(path) == true)
      var frames = first.frames.makeAsyncIterator()
      #expect(try await frames.next() != nil)
      await first.close()
    }
  }
}
