internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// The events of one handle: what it subscribed to and what waits for DQEVENT.
struct EventQueue {
  private struct Subscription {
    var type: UInt32
    var identifier: UInt32
    var flags: UInt32
  }

  private var subscriptions: [Subscription] = []
  private var pending: [v4l2_event] = []
  private var sequence: UInt32 = 0

  var isEmpty: Bool { pending.isEmpty }

  /// VIDIOC_SUBSCRIBE_EVENT for a type the device knows; true when the subscription is new.
  mutating func subscribe(type: UInt32, identifier: UInt32, flags: UInt32) -> Bool {
    guard !isSubscribed(type, identifier) else { return false }
    subscriptions.append(Subscription(type: type, identifier: identifier, flags: flags))
    return true
  }

  /// VIDIOC_UNSUBSCRIBE_EVENT; what was pending of the event is gone.
  mutating func unsubscribe(type: UInt32, identifier: UInt32) {
    if type == UInt32(V4L2_EVENT_ALL) {
      subscriptions = []
      pending = []
      return
    }
    subscriptions.removeAll { $0.type == type && $0.identifier == identifier }
    pending.removeAll { $0.type == type && $0.id == identifier }
  }

  func isSubscribed(_ type: UInt32, _ identifier: UInt32) -> Bool {
    subscriptions.contains { $0.type == type && $0.identifier == identifier }
  }

  /// Whether the handle wants to hear of its own change of this control.
  func wantsFeedback(_ identifier: UInt32) -> Bool {
    subscriptions.contains {
      $0.type == UInt32(V4L2_EVENT_CTRL) && $0.identifier == identifier
        && $0.flags & UInt32(V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK) != 0
    }
  }

  /// Queues an event somebody subscribed to.
  ///
  /// Each subscription holds one event; an older one of the same kind gives way, its changes
  /// merged into the newer one.
  mutating func post(_ event: v4l2_event) {
    guard isSubscribed(event.type, event.id) else { return }
    var event = event
    event.sequence = sequence
    sequence &+= 1
    let now = MonotonicTime.now.nanoseconds
    event.timestamp = timespec(
      tv_sec: Int(now / 1_000_000_000), tv_nsec: Int(now % 1_000_000_000))
    if let older = pending.firstIndex(where: { $0.type == event.type && $0.id == event.id }) {
      if event.type == UInt32(V4L2_EVENT_CTRL) {
        event.u.ctrl.changes |= pending[older].u.ctrl.changes
      }
      pending.remove(at: older)
    }
    pending.append(event)
  }

  mutating func postEndOfStream() {
    var event = v4l2_event()
    event.type = UInt32(V4L2_EVENT_EOS)
    post(event)
  }

  /// VIDIOC_DQEVENT.
  mutating func dequeue() -> v4l2_event? {
    guard !pending.isEmpty else { return nil }
    var event = pending.removeFirst()
    event.pending = UInt32(pending.count)
    return event
  }
}
