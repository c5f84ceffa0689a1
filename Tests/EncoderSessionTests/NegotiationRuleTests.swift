import CV4L2
import Glibc
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What drivers are known to do when they are set up.
@Suite(.timeLimit(.minutes(2))) struct NegotiationRuleTests {
  @Test func captureIsNegotiatedBeforeOutput() async throws {
    let types = Locked<[UInt32]>([])
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_FMT {
        types.withLock { $0.append(argument.load(as: UInt32.self)) }
      }
      return device.perform(request, argument)
    }
    _ = try await transport.encode()
    #expect(
      types.withLock { $0.prefix(2) } == [
        V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue,
      ])
  }

  @Test("a size that the driver clamps is refused by name")
  func clampedSize() async throws {
    let transport = BentTransport(try Harness.device())
    do throws(EncoderError) {
      _ = try await H264Encoder.open(
        Harness.configuration {
          $0.size = VideoSize(width: 8000, height: 400)
          $0.level = CodecLevel.named("6.2", codec: .h264)
        }, on: transport.selector)
      Issue.record("opened")
    } catch {
      #expect(error.code == .unsupported)
      #expect(error.message.contains("8000x400"))
      #expect(error.message.contains("4096"))
    }
  }

  @Test("padding that cannot be cropped is refused, and no crop without padding is fine")
  func noSelection() async throws {
    let bend: BentTransport.Bend = { request, argument, device in
      request == CV4L2_VIDIOC_S_SELECTION ? -ENOTTY : device.perform(request, argument)
    }
    let plain = BentTransport(try Harness.device(), bend: bend)
    #expect(try await plain.encode().times == times(0..<24))
    let padded = BentTransport(try Harness.device(), bend: bend)
    do throws(EncoderError) {
      _ = try await H264Encoder.open(
        Harness.configuration { $0.size = VideoSize(width: 320, height: 186) },
        on: padded.selector)
      Issue.record("opened")
    } catch {
      #expect(error.code == .unsupported)
      #expect(error.operation == "VIDIOC_S_SELECTION")
    }
  }

  @Test func everythingAskedAndNotAppliedIsReported() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      if request == CV4L2_VIDIOC_S_PARM { return -ENOTTY }
      let id = controlNumberOrZero(request, argument)
      if id == UInt32(V4L2_CID_MPEG_VIDEO_BITRATE_MODE) { return -EINVAL }
      if request == CV4L2_VIDIOC_S_EXT_CTRLS, id == UInt32(V4L2_CID_MPEG_VIDEO_BITRATE) {
        // As bcm2835-codec: multiples of 25000 only.
        let control = argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls
        control?.pointee.value = (control?.pointee.value ?? 0) / 25_000 * 25_000
      }
      return device.perform(request, argument)
    }
    let outcome = try await transport.encode { $0.rateControl = .constant(bitrate: 1_010_000) }
    #expect(outcome.times == times(0..<24))
    let differences = outcome.report.differences
    #expect(differences.contains { $0.contains("frame rate") && $0.contains("ENOTTY") })
    #expect(differences.contains { $0.contains("BITRATE_MODE") && $0.contains("no such control") })
    #expect(differences.contains { $0.contains("1010000") && $0.contains("1000000") })
    #expect(differences.count == 3)
  }

  @Test("no extended controls at all: the old requests do")
  func oldControlRequests() async throws {
    let device = try Harness.device()
    let transport = BentTransport(device) { request, argument, device in
      request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
        ? -ENOTTY : device.perform(request, argument)
    }
    let outcome = try await transport.encode()
    #expect(outcome.times == times(0..<24))
    #expect(outcome.report.differences == [])
    #expect(device.appliedControls[UInt32(V4L2_CID_MPEG_VIDEO_BITRATE)] == 1_000_000)
  }
}

/// The control's number if the request carries one.
private func controlNumberOrZero(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> UInt32 {
  request == CV4L2_VIDIOC_S_EXT_CTRLS || request == CV4L2_VIDIOC_G_EXT_CTRLS
    ? controlNumber(argument) : 0
}
