internal import CV4L2
internal import Synchronization
internal import V4L2Encoder

/// The faults of one device that are still to come.
final class FaultPlan: Sendable {
  private struct Pending {
    let fault: VirtualDevice.Fault
    /// What still passes before.
    var countdown: Int
    var remaining: Int
  }

  private struct State {
    var pending: [Pending] = []
    var count = 0
    /// Changes with every removal; who hangs waits for that.
    var era = 0
  }

  private let state = Monitor(State())
  // Read before every request, so that a device without faults pays a load and nothing else.
  private let isArmed = Atomic<Bool>(false)

  var count: Int { state.withLock { $0.count } }
  var hasFaults: Bool { isArmed.load(ordering: .relaxed) }

  func inject(_ faults: [VirtualDevice.Fault]) {
    state.withLock { state in
      state.pending += faults.map {
        Pending(fault: $0, countdown: max(0, $0.index), remaining: max(1, $0.times))
      }
    }
    isArmed.store(true, ordering: .relaxed)
  }

  func removeAll() {
    isArmed.store(false, ordering: .relaxed)
    state.withLock { state in
      state.pending = []
      state.era += 1
    }
    state.signal()
  }

  /// A fault that happens now.
  struct Due {
    let effect: VirtualDevice.Fault.Effect
    /// When it began: a removal that comes at any time from here on ends it.
    let era: Int
  }

  /// What happens to a request or frame that comes now; every fault of the place counts it.
  func next(_ place: VirtualDevice.Fault.Place) -> Due? {
    guard hasFaults else { return nil }
    return state.withLock { state in
      var effect: VirtualDevice.Fault.Effect?
      for index in state.pending.indices where state.pending[index].fault.place == place {
        if state.pending[index].countdown > 0 {
          state.pending[index].countdown -= 1
        } else if effect == nil {
          effect = state.pending[index].fault.effect
          state.pending[index].remaining -= 1
          state.count += 1
        }
      }
      state.pending.removeAll { $0.remaining == 0 }
      return effect.map { Due(effect: $0, era: state.era) }
    }
  }

  func isOver(_ due: Due) -> Bool { state.withLock { $0.era != due.era } }

  /// Waits until the faults are removed.
  func hang(_ due: Due) { state.wait { $0.era == due.era ? nil : () } }
}

extension VirtualDevice.Fault.Request {
  /// Which of these a request is; the queue's type is behind the argument.
  init?(_ request: UInt, _ argument: UnsafeMutableRawPointer) {
    switch request {
    case CV4L2_VIDIOC_S_FMT: self = .setFormat
    case CV4L2_VIDIOC_S_CTRL, CV4L2_VIDIOC_S_EXT_CTRLS: self = .setControl
    case CV4L2_VIDIOC_REQBUFS: self = .requestBuffers
    case CV4L2_VIDIOC_QBUF:
      self = Self.isForFrames(argument) ? .queueFrame : .queuePacketBuffer
    case CV4L2_VIDIOC_DQBUF: self = Self.isForFrames(argument) ? .dequeueFrame : .dequeuePacket
    case CV4L2_VIDIOC_STREAMON: self = .startStreaming
    case CV4L2_VIDIOC_STREAMOFF: self = .stopStreaming
    case CV4L2_VIDIOC_ENCODER_CMD: self = .command
    default: return nil
    }
  }

  private static func isForFrames(_ argument: UnsafeMutableRawPointer) -> Bool {
    let type = argument.assumingMemoryBound(to: v4l2_buffer.self).pointee.type
    return type == V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
      || type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
  }
}
