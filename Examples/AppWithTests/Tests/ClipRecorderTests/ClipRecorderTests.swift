import ClipRecorder
import Testing
import V4L2Encoder
import VirtualV4L2Device

@Suite struct ClipRecorderTests {
  @Test func everyFrameBecomesAPacketWithItsTime() async throws {
    let frames = try Pictures.frames(20)
    let clip = try await ClipRecorder(device: .virtual(VirtualDevice())).record(frames)
    #expect(clip.packets.map(\.presentationTime) == frames.map(\.presentationTime))
    #expect(clip.packets.allSatisfy { $0.byteCount > 4 })
  }

  @Test func playersCanStartAtScenes() async throws {
    let frames = try Pictures.frames(20)
    let scenes = [frames[7].presentationTime, frames[15].presentationTime]
    let clip = try await ClipRecorder(device: .virtual(VirtualDevice()))
      .record(frames, scenes: Set(scenes))
    #expect(clip.entryPoints == [0] + scenes)
    for packet in clip.packets where packet.isKeyFrame { #expect(packet.hasParameterSets) }
  }

  @Test func nothingInNothingOut() async throws {
    let clip = try await ClipRecorder(device: .virtual(VirtualDevice())).record([])
    #expect(clip.packets.isEmpty)
  }

  @Test func aRaspberryPiGetsTheBitrateItCanTake() async throws {
    let pi = try VirtualDevice(personality: .bcm2835)
    let frames = try Pictures.frames(20)
    let clip = try await ClipRecorder(device: .virtual(pi)).record(frames)
    #expect(clip.packets.map(\.presentationTime) == frames.map(\.presentationTime))
    // V4L2_CID_MPEG_VIDEO_BITRATE and V4L2_CID_MPEG_VIDEO_GOP_SIZE, as the driver has them.
    #expect(pi.appliedControls[0x0099_09cf] == 500_000)
    #expect(pi.appliedControls[0x0099_09cb] == 1_000)
  }

  @Test func aFrameThatTheDriverSkipsIsMissingAlone() async throws {
    let pi = try VirtualDevice(personality: .bcm2835)
    pi.inject(.spoiling(.skipped, frame: 5))
    let frames = try Pictures.frames(20)
    let clip = try await ClipRecorder(device: .virtual(pi)).record(frames)
    var times = frames.map(\.presentationTime)
    times.remove(at: 5)
    #expect(clip.packets.map(\.presentationTime) == times)
  }

  @Test func aMissingDeviceIsAnErrorAndNoHang() async throws {
    let recorder = ClipRecorder(device: .path("/dev/null"))
    let frames = try Pictures.frames(1)
    await #expect(throws: EncoderError.self) { try await recorder.record(frames) }
  }
}
