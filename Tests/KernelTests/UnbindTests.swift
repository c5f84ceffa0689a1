import Foundation
import TestSupport
import Testing
import V4L2Encoder

extension KernelTests {
  /// The driver taken away from under an open encoder, as an unplugged device is.
  @Suite(.timeLimit(.minutes(2))) struct Unbinding {
    /// What the session is about when its device goes.
    enum Situation: String, CaseIterable, CustomTestStringConvertible {
      case encoding, idle, drained, neverUsed, readerResting
      var testDescription: String { rawValue }
    }

    private let picture: VideoFrame

    init() throws { picture = try Recording.frame(0, of: try Recording.clip()) }

    @Test(
      "every pending and later call ends by a lost device, and the module can be removed",
      arguments: Situation.allCases)
    func unbound(_ situation: Situation) async throws {
      let mustResumeReading = situation == .readerResting
      do {
        let path = try KernelGuest.encoder()
        let encoder = try await FWHTEncoder.open(
          Recording.configuration { $0.packetCapacity = mustResumeReading ? 2 : 64 },
          on: .path(path))
        let reader = mustResumeReading ? nil : Recording.collect(encoder.packets)
        let feeder = try await prepare(situation, encoder)
        try await unbind()
        if let feeder {
          await expectLoss("encode") { try await feeder.value }
        }
        let packets = reader ?? Recording.collect(encoder.packets)
        await expectLoss("packets") { _ = try await packets.value }
        await expectLoss("a later encode") { try await encoder.encode(picture) }
        await expectLoss("a later drain") { try await encoder.drain() }
        await encoder.close()
      } catch {
        try await restore()
        throw error
      }
      try await eventually("the device is given back") { try KernelGuest.holdings() == (0, 0) }
      try await restore()
    }

    @Test("an encoder with recovery goes on with the device that comes back")
    func recovered() async throws {
      let clip = try Recording.clip()
      let isBack = Locked(false)
      let encoder = try await RecoveringEncoder.open(
        Recording.configuration(),
        policy: RecoveryPolicy(
          attempts: 1000, longestPause: .milliseconds(200), limit: .seconds(60))
      ) { (configuration, observer) async throws(EncoderError) -> any VideoEncoder in
        // The node may come back under another number.
        guard let path = try? KernelGuest.encoder() else {
          throw EncoderError(.deviceUnavailable, "vicodec is not there")
        }
        return try await FWHTEncoder.open(configuration, on: .path(path), observer: observer)
      }
      let reader = Recording.collect(encoder.packets)
      let feeder = Task { () -> Int in
        var count = 0
        var remaining = 5
        while remaining > 0 {
          let frame = try Recording.frame(count % clip.frameCount, of: clip, at: Int64(count))
          try await encoder.encode(frame)
          count += 1
          if isBack.withLock({ $0 }) { remaining -= 1 }
        }
        try await encoder.drain()
        return count
      }
      do {
        try await eventually("frames are encoded") { encoder.statistics.packetsOut > 5 }
        try await unbind()
        try await eventually("the device is given back") { try KernelGuest.holdings() == (0, 0) }
      } catch {
        try await restore()
        throw error
      }
      try await restore()
      isBack.withLock { $0 = true }
      let count = try await withDeadline(.seconds(60), "the rest") { try await feeder.value }
      await encoder.close()
      let packets = try await reader.value
      #expect(packets.map(\.presentationTime) == (0..<Int64(count)).map { $0 })
      #expect(packets.count { $0.isDiscontinuity } == 1)
      let border = try #require(packets.firstIndex { $0.isDiscontinuity && $0.isKeyFrame })
      #expect(encoder.statistics.recoveries == 1)
      let directory = try TemporaryDirectory()
      let stream = try directory.write(packets.flatMap(\.data.array), to: "out.fwht")
      let decoded = try await Recording.decode(stream, in: directory)
      #expect(decoded.frameCount == count)
      for index in max(0, border - 4)..<min(border + 4, decoded.frameCount) {
        #expect(decoded.lumaPSNR(index, against: clip, at: index % clip.frameCount) >= 30)
      }
    }

    /// Brings the session into its situation; returns the task that feeds it, if one does.
    private func prepare(
      _ situation: Situation, _ encoder: FWHTEncoder
    ) async throws -> Task<Void, any Error>? {
      switch situation {
      case .neverUsed: return nil
      case .idle:
        try await encoder.encode(picture)
        try await eventually("the packet is out") { encoder.statistics.packetsOut == 1 }
        return nil
      case .drained:
        try await encoder.encode(picture)
        try await encoder.drain()
        return nil
      case .encoding, .readerResting:
        let feeder = Task { [picture] in
          for _ in 0..<100_000 { try await encoder.encode(picture) }
        }
        try await eventually("frames are being encoded") {
          let statistics = encoder.statistics
          return situation == .encoding
            ? statistics.packetsOut > 5
            : statistics.packetsOut == 2 && statistics.framesInFlight > 2
        }
        return feeder
      }
    }

    private func expectLoss(
      _ what: String, _ body: @escaping @concurrent @Sendable () async throws -> Void
    ) async {
      let error = await #expect(throws: EncoderError.self, "\(what)") {
        try await withDeadline(.seconds(6), what, body)
      }
      #expect(error?.code == .deviceLost, "\(what): \(error?.description ?? "no error")")
    }

    private func unbind() async throws {
      try await withDeadline(.seconds(20), "unbinding") {
        try "vicodec.0".write(
          toFile: "/sys/bus/platform/drivers/vicodec/unbind", atomically: false, encoding: .utf8)
      }
    }

    /// Removes the module, which nothing may hold any more, and loads it again.
    private func restore() async throws {
      for arguments in [
        ["rmmod", "vicodec"],
        ["modprobe", "vicodec", "multiplanar=\(KernelGuest.isMultiplanar ? 1 : 0)"],
      ] {
        let result = try await Subprocess.run(arguments[0], Array(arguments.dropFirst()))
        #expect(result.exitCode == 0, "\(arguments): \(result.errorText)")
      }
      try await eventually("the device is back") {
        (try? KernelGuest.encoder()).map { access($0, R_OK) == 0 } ?? false
      }
    }
  }
}
