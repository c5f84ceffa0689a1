import Foundation
import Testing
import V4L2Encoder

extension KernelTests {
  /// Requests of the library against a driver that nobody here wrote.
  @Suite struct Requests {
    private func open() throws -> (handle: any DeviceHandle, device: EncoderDevice) {
      let path = try KernelGuest.encoder()
      let handle = try KernelTransport().open(path)
      let device = EncoderDevice(
        handle: handle, path: path, capabilities: try handle.queryCapabilities())
      return (handle, device)
    }

    /// Asks for a raw format and size; returns what the driver made of it.
    private func set(
      _ format: PixelFormat, _ width: Int, _ height: Int, on device: EncoderDevice
    ) throws -> QueueFormat {
      var wanted = try device.handle.format(device.outputType)
      wanted.format = format
      wanted.size = VideoSize(width: width, height: height)
      wanted.planes = [QueueFormat.Plane(bytesPerLine: 0, byteCount: 0)]
      return try device.handle.setFormat(device.outputType, wanted)
    }

    @Test("QUERYCAP names the API that the module was loaded with")
    func capabilities() throws {
      let (handle, device) = try open()
      defer { handle.close() }
      #expect(device.capabilities.isMemoryToMemory && device.capabilities.canStream)
      #expect(device.isMultiplanar == KernelGuest.isMultiplanar)
      #expect(!device.capabilities.isCapture)
    }

    @Test("every listed raw format can be set, and gets the planes the library expects")
    func rawFormats() throws {
      let (handle, device) = try open()
      defer { handle.close() }
      let offered = try handle.formats(device.outputType)
      #expect(offered.count == 28)
      #expect(offered.allSatisfy { !$0.isCompressed })
      for description in offered {
        let granted = try set(description.format, 1280, 720, on: device)
        #expect(granted.format == description.format)
        #expect(granted.size == VideoSize(width: 1280, height: 720))
        #expect(granted.planes.count == 1)
        guard description.format.info != nil else { continue }
        #expect(throws: Never.self, "\(description.format)") {
          _ = try DriverLayout.driver(
            granted.format, bufferSize: granted.size,
            bytesPerLine: granted.planes.map(\.bytesPerLine),
            planeSizes: granted.planes.map(\.byteCount))
        }
      }
    }

    @Test("sizes are clamped and rounded, an unknown format is replaced without an error")
    func adjustments() throws {
      let (handle, device) = try open()
      defer { handle.close() }
      let small = try set(.nv12, 320, 192, on: device)
      // Blocks are eight by eight: 360 rows lie in a buffer of 368.
      #expect(small.size == VideoSize(width: 640, height: 368))
      let large = try set(.nv12, 8000, 8000, on: device)
      #expect(large.size == VideoSize(width: 4096, height: 2160))
      let other = try set(.nv12m, 640, 360, on: device)
      #expect(other.format == .i420)
    }

    @Test("two handles of one node have formats and buffers of their own")
    func twoHandles() throws {
      let (first, device) = try open()
      let (second, other) = try open()
      defer {
        first.close()
        second.close()
      }
      _ = try set(.nv12, 1280, 720, on: device)
      _ = try set(.yuyv, 640, 480, on: other)
      #expect(try first.format(device.outputType).format == .nv12)
      let size = try first.format(device.outputType).planes.map(\.byteCount)
      #expect(size == [1280 * 720 * 3 / 2])
      let mine = try device.allocateBuffers(.output, count: 3, planeSizes: size)
      let theirs = try other.allocateBuffers(.output, count: 2, planeSizes: [640 * 480 * 2])
      #expect(mine.count == 3 && theirs.count == 2)
      mine[0].withMutableBytes(ofPlane: 0, 0..<4) {
        $0.storeBytes(of: 0x0102_0304, as: UInt32.self)
      }
      theirs[0].withMutableBytes(ofPlane: 0, 0..<4) { bytes in
        #expect(bytes.unsafeLoad(as: UInt32.self) == 0)
      }
    }

    @Test("a format cannot be changed while there are buffers, and can be again without them")
    func formatWhileBuffersExist() throws {
      let (handle, device) = try open()
      defer { handle.close() }
      _ = try set(.nv12, 1280, 720, on: device)
      #expect(try handle.requestBuffers(device.outputType, count: 2) == 2)
      #expect(throws: Errno(rawValue: EBUSY)) {
        try set(.nv12, 640, 480, on: device)
      }
      #expect(try handle.format(device.outputType).size == VideoSize(width: 1280, height: 720))
      #expect(try handle.requestBuffers(device.outputType, count: 0) == 0)
      let changed = try set(.nv12, 640, 480, on: device)
      #expect(changed.size == VideoSize(width: 640, height: 480))
    }

    @Test("a wait on a device that was not started ends by error, by deadline or by a wake-up")
    func waits() throws {
      let (handle, _) = try open()
      defer { handle.close() }
      let ready = try handle.wait(for: .capture, until: .now + .seconds(5))
      #expect(ready == .error)
      #expect(try handle.wait(for: .event, until: .now + .milliseconds(20)).isEmpty)
      handle.wake()
      #expect(try handle.wait(for: .event, until: .now + .seconds(5)).isEmpty)
    }
  }
}
