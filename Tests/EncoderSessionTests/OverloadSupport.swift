import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// The virtual device at a pace of its own: one frame after another, each taking some time.
final class SlowDevice: Sendable {
  private struct State {
    var period: Duration
    /// When each frame is done, of those whose raw buffer, or whose packet, was not fetched yet.
    var rawDone: [MonotonicTime] = []
    var packetsDone: [MonotonicTime] = []
    var lastDone = MonotonicTime(nanoseconds: 0)
  }

  private let state: Locked<State>
  private let device: VirtualDevice

  init(period: Duration, nullDelay: Int = 0) throws {
    device = try Harness.device(nullDelay: nullDelay)
    state = Locked(State(period: period))
  }

  /// How long each frame takes that is queued from now on.
  func work(each period: Duration) { state.withLock { $0.period = period } }

  var selector: DeviceSelector {
    BentTransport(device) { [self] request, argument, device in
      answer(request, argument, device)
    } isSilent: { [self] in
      state.withLock { state in
        guard let next = state.packetsDone.first else { return false }
        return next > .now
      }
    }.selector
  }

  private func answer(
    _ request: UInt, _ argument: UnsafeMutableRawPointer, _ device: BentTransport.Device
  ) -> Int32 {
    let (isRaw, isPacket) = (takesFrameBack(request, argument), takesPacket(request, argument))
    if isRaw, state.withLock({ $0.rawDone.first.map { $0 > .now } ?? true }) { return -EAGAIN }
    if isPacket, state.withLock({ $0.packetsDone.first.map { $0 > .now } ?? false }) {
      return -EAGAIN
    }
    if queuesFrame(request, argument) {
      // The device behind may be done before it has answered.
      state.withLock { state in
        state.lastDone = max(state.lastDone, .now) + state.period
        state.rawDone.append(state.lastDone)
        state.packetsDone.append(state.lastDone)
      }
      return device.perform(request, argument)
    }
    let result = device.perform(request, argument)
    guard result == 0 else { return result }
    state.withLock { state in
      if isRaw, !state.rawDone.isEmpty {
        state.rawDone.removeFirst()
      } else if isPacket, !state.packetsDone.isEmpty {
        state.packetsDone.removeFirst()
      } else if request == CV4L2_VIDIOC_STREAMOFF {
        (state.rawDone, state.packetsDone) = ([], [])
      }
    }
    return result
  }
}

/// What an encoder told of its frames while it was overloaded.
final class DropLog: Sendable {
  struct Drop: Hashable, Sendable {
    let time: Int64
    let reason: FrameDropReason
  }

  private let events = Locked<[EncoderEvent]>([])

  var observer: EncoderObserver {
    EncoderObserver(event: { [self] event in events.withLock { $0.append(event) } })
  }

  var all: [EncoderEvent] { events.withLock { $0 } }

  var drops: [Drop] {
    all.compactMap { event in
      guard case .frameDropped(let time, let reason) = event else { return nil }
      return Drop(time: time, reason: reason)
    }
  }

  var skipped: [Int64] {
    all.compactMap { event in
      guard case .frameSkipped(let time) = event else { return nil }
      return time
    }
  }

  func times(_ reason: FrameDropReason) -> [Int64] {
    drops.filter { $0.reason == reason }.map(\.time)
  }
}

extension DropLog {
  /// An encoder that tells this log.
  func open(
    _ policy: AdmissionPolicy, on selector: DeviceSelector,
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> H264Encoder {
    try await H264Encoder.open(
      Harness.configuration {
        $0.admission = policy
        $0.keyFrameInterval = 1000
        $0.deadlines.progress = .seconds(30)
        change(&$0)
      }, on: selector, observer: observer)
  }

  /// An encoder whose device is stuck with its first frame, and holds every buffer.
  func overloaded(
    _ policy: AdmissionPolicy, _ device: VirtualDevice, on selector: DeviceSelector? = nil
  ) async throws -> (encoder: H264Encoder, next: Int64) {
    device.inject(.spoiling(.stuck))
    let encoder = try await open(policy, on: selector ?? .virtual(device))
    let count = Int64(encoder.negotiated.inputBuffers)
    for time in 0..<count { try await encoder.encode(Harness.frame(time)) }
    #expect(encoder.statistics.framesIn == Int(count))
    return (encoder, count)
  }
}
