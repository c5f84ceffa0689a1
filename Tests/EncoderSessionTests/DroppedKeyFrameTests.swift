import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Key frames that were asked for with frames that are dropped.
@Suite(.timeLimit(.minutes(1))) struct DroppedKeyFrameTests {
  private let log = DropLog()

  @Test(
    "a key frame that was asked for with a dropped frame is made of the next one",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 1)], [false, true])
  func keyFramesAreNotLost(policy: AdmissionPolicy, byRestart: Bool) async throws {
    let lacking: Set<UInt32> = byRestart ? [ControlID.forceKeyFrame.rawValue] : []
    let disguise = try DisguisedDevice("coda", lacking: lacking)
    let (encoder, next) = try await log.overloaded(policy, disguise.device, on: disguise.selector)
    #expect(encoder.negotiated.keyFrames == (byRestart ? .restart : .control))
    let reader = Harness.collect(encoder.packets)
    if byRestart, policy == .dropNewest {
      // The restart makes room, so that nothing has to be dropped.
      disguise.device.removeFaults()
    }
    try await encoder.encode(Harness.frame(next), options: FrameOptions(forceKeyFrame: true))
    try await encoder.encode(Harness.frame(next + 1))
    disguise.device.removeFaults()
    try await eventually("the first packets") {
      let statistics = encoder.statistics
      return statistics.packetsOut >= Int(next) && statistics.framesWaiting == 0
    }
    try await encoder.encode(Harness.frame(next + 2))
    try await encoder.drain()
    await encoder.close()
    let packets = try await reader.value
    let dropped = log.drops.map(\.time)
    #expect(packets.map(\.presentationTime) == times(0..<next + 3).filter { !dropped.contains($0) })
    #expect(
      dropped == (policy == .dropNewest ? (byRestart ? [] : [next, next + 1]) : [next]))
    let keyFrames = packets.filter(\.isKeyFrame).map(\.presentationTime)
    let first = packets.map(\.presentationTime).first { $0 >= next }
    #expect(keyFrames.count == 2 && keyFrames.first == 0)
    // A request reaches the device with the next frame that it takes: with frames inside it, that
    // is an earlier one.
    if byRestart || policy == .dropNewest { #expect(keyFrames.last == first) }
  }

  @Test(
    "a key frame that the driver cannot make, asked for with a dropped frame, harms no other",
    arguments: [AdmissionPolicy.dropNewest, .dropOldest(queue: 1)])
  func impossibleKeyFrames(policy: AdmissionPolicy) async throws {
    let disguise = try DisguisedDevice("hantro-vpu", lacking: [ControlID.forceKeyFrame.rawValue])
    let (encoder, next) = try await log.overloaded(policy, disguise.device, on: disguise.selector)
    #expect(encoder.negotiated.keyFrames == .control)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(next), options: FrameOptions(forceKeyFrame: true))
    try await encoder.encode(Harness.frame(next + 1))
    disguise.device.removeFaults()
    try await eventually("room") {
      let statistics = encoder.statistics
      return statistics.packetsOut >= Int(next) && statistics.framesWaiting == 0
    }
    try await encoder.encode(Harness.frame(next + 2))
    try await encoder.drain()
    await encoder.close()
    let dropped = policy == .dropNewest ? [next, next + 1] : [next]
    #expect(log.drops.map(\.time) == dropped)
    #expect(
      try await reader.value.map(\.presentationTime)
        == times(0..<next + 3).filter { !dropped.contains($0) })
  }
}
