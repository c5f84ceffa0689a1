import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// vivid's pictures, read by vicodec where they are.
  @Suite(.timeLimit(.minutes(3))) struct Capture {
    // vicodec pads no row of it.
    private let size = VideoSize(width: 640, height: 480)

    private func camera(_ change: (inout CaptureConfiguration) -> Void = { _ in }) async throws
      -> CaptureSource
    {
      var configuration = CaptureConfiguration(size: size, format: .nv12)
      configuration.deadlines.progress = .seconds(20)
      change(&configuration)
      let report = try #require(
        DeviceCatalog.devices().first { $0.kind == .camera && $0.driver == "vivid" })
      return try await CaptureSource.open(configuration, on: .path(report.path))
    }

    /// The bytes of video buffers and DMABUFs that this process could read or write.
    private func mappedBytes() throws -> Int {
      try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        .split(separator: "\n").filter { $0.contains("/dev/video") || $0.contains("dmabuf") }
        .reduce(0) { sum, line in
          let range = line.prefix { $0 != " " }.split(separator: "-")
          guard range.count == 2, let low = Int(range[0], radix: 16),
            let high = Int(range[1], radix: 16)
          else { return sum }
          return sum + high - low
        }
    }

    /// What became of a camera's frames in an encoder.
    private struct Passage {
      var times: [Int64] = []
      var sequences: [UInt32] = []
      /// Frames lost before each frame.
      var losses: [Int] = []
      var packets: [EncodedPacket] = []
      var report: NegotiationReport
      var statistics = EncoderStatistics()
      var events: [EncoderEvent] = []
      /// Mapped while frames passed.
      var mappedBytes = 0
    }

    /// Encodes as many frames of the camera.
    private func pass(_ count: Int, inPlace: Bool) async throws -> Passage {
      // Its own choice is five frames per second.
      let camera = try await camera { $0.frameRate = Rational(30) }
      #expect(camera.size == size && camera.format == .nv12)
      var configuration = Recording.configuration { $0.size = size }
      configuration.inputFormat = camera.format
      if inPlace { configuration.inputMemory = camera.inputMemory }
      configuration.timeBase = Rational(1, 1_000_000)
      let events = Locked<[EncoderEvent]>([])
      let encoder = try await FWHTEncoder.open(
        configuration, on: .path(KernelGuest.encoder()),
        observer: EncoderObserver(event: { event in events.withLock { $0.append(event) } }))
      let reader = Recording.collect(encoder.packets)
      var passage = Passage(report: encoder.negotiated)
      for try await captured in camera.frames {
        passage.losses.append(captured.framesLostBefore)
        passage.times.append(captured.frame.presentationTime)
        passage.sequences.append(captured.sequence)
        try await encoder.encode(captured.frame)
        if passage.times.count == count { break }
      }
      passage.mappedBytes = try mappedBytes()
      try await encoder.drain()
      passage.statistics = encoder.statistics
      await encoder.close()
      await camera.close()
      // It may have lost others since the last that was read.
      #expect(camera.framesLost >= passage.losses.reduce(0, +))
      passage.packets = try await reader.value
      passage.events = events.withLock { $0 }
      return passage
    }

    @Test("300 frames go from camera to encoder without a copy")
    func zeroCopy() async throws {
      let passage = try await pass(300, inPlace: true)
      #expect(passage.report.isZeroCopy && passage.events == [])
      #expect(passage.statistics.bytesCopied == 0)
      // Of the encoder only the CAPTURE buffers (encoded bytes) are mapped: nothing of a picture
      // is, so nothing of a picture can have been copied by this process.
      let report = passage.report
      #expect(passage.mappedBytes <= report.outputBuffers * (report.codedBufferSize + 4096))
      #expect(passage.packets.map(\.presentationTime) == passage.times)
      // Emulation may be too slow for the camera's rate, but every lost frame is counted.
      let gaps = zip(passage.sequences, passage.sequences.dropFirst()).map { Int($1) - Int($0) - 1 }
      // A painting thread of vivid that is late may give two frames one number
      // (vivid-kthread-cap.c), which says nothing of a loss.
      #expect(gaps.map { max(0, $0) } == Array(passage.losses.dropFirst()))
      #expect(gaps.allSatisfy { $0 >= -1 })
      #expect(zip(passage.times, passage.times.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("where frames are copied, every byte is counted")
    func countedCopies() async throws {
      let passage = try await pass(30, inPlace: false)
      #expect(!passage.report.isZeroCopy)
      #expect(passage.statistics.bytesCopied == 30 * size.width * size.height * 3 / 2)
      #expect(passage.mappedBytes > passage.report.inputBuffers * size.width * size.height * 3 / 2)
      #expect(passage.packets.map(\.presentationTime) == passage.times)
    }

    @Test("frames that are held starve the camera, and dropping them feeds it again")
    func heldFrames() async throws {
      let camera = try await camera { $0.buffers = 3 }
      var held: [CapturedFrame] = []
      var taken = 0
      for try await captured in camera.frames {
        taken += 1
        if taken <= 3 { held.append(captured) }
        if taken == 3 {
          // The camera has nothing left to fill; that is no stall.
          try await Task.sleep(for: .milliseconds(300))
          held = []
        }
        if taken == 8 { break }
      }
      await camera.close()
      #expect(taken == 8)
    }

    @Test("a node that is no camera is refused")
    func noCamera() async throws {
      do throws(EncoderError) {
        let path: String
        do { path = try KernelGuest.encoder() } catch { return }
        _ = try await CaptureSource.open(CaptureConfiguration(size: size), on: .path(path))
        Issue.record("opened")
      } catch {
        #expect(error.code == .unsupported)
      }
    }
  }
}
