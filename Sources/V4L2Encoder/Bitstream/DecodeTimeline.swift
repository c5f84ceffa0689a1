/// Gives packets, which come in decode order, the times at which they are to be decoded.
///
/// Containers want decode times that never decrease and never lie behind the presentation time.
/// With bidirectional pictures the packets' own times go up and down, so a packet takes over the
/// presentation time of the frame that was queued at its place in the row, as many places earlier
/// as pictures are held back for reordering. Without reordering that is the packet's own time.
package struct DecodeTimeline: Sendable {
  /// How many pictures may precede one in decoding and follow it in display.
  private var reorderDepth: Int
  /// Presentation times of frames that have not served as a decode time yet, in a ring.
  private var times: [Int64]
  private var head = 0
  private var count = 0
  /// Packets since the start that come before the first frame's own time.
  private var leading = 0
  private var firstTime: Int64 = 0
  private var interval: Int64 = 0
  private var last: Int64?

  /// Creates a timeline for a stream that holds back this many pictures; 0 without bidirectional
  /// ones.
  package init(reorderDepth: Int = 0) {
    self.reorderDepth = Self.usable(reorderDepth)
    times = Array(repeating: 0, count: 32)
  }

  private static func usable(_ reorderDepth: Int) -> Int { min(max(reorderDepth, 0), 16) }

  /// Notes a frame, in the order of queuing.
  package mutating func frameQueued(presentationTime: Int64, duration: Int64) {
    if count == 0, leading == 0 {
      firstTime = presentationTime
      interval = max(duration, 0)
    }
    if count == times.count { grow() }
    times[(head + count) & (times.count - 1)] = presentationTime
    count += 1
  }

  /// The decode time of the next packet.
  ///
  /// Never later than `presentationTime`. Never earlier than the one before unless that would make
  /// it later than `presentationTime`, which happens when presentation times go back or the stream
  /// reorders more than was announced.
  package mutating func decodeTime(forPacket presentationTime: Int64) -> Int64 {
    let place: Int64
    if leading < reorderDepth {
      let distance = Int64(reorderDepth - leading)
      let back = interval.multipliedReportingOverflow(by: distance)
      let time = firstTime.subtractingReportingOverflow(back.partialValue)
      place = back.overflow || time.overflow ? .min : time.partialValue
      leading += 1
    } else {
      place = popFirst() ?? presentationTime
    }
    var time = min(place, presentationTime)
    if let last, time < last, last <= presentationTime { time = last }
    last = time
    return time
  }

  /// Forgets a frame that gets no packet.
  package mutating func frameSkipped(presentationTime: Int64) {
    let mask = times.count - 1
    // Its time may have served another packet already; then the oldest one left is not needed.
    let place = (0..<count).first { times[(head + $0) & mask] == presentationTime } ?? 0
    guard count > 0 else { return }
    for index in stride(from: place, to: 0, by: -1) {
      times[(head + index) & mask] = times[(head + index - 1) & mask]
    }
    _ = popFirst()
  }

  /// Starts over, as after a drain: the next packets are the first of a new group of pictures.
  package mutating func reset() {
    head = 0
    count = 0
    leading = 0
  }

  /// Starts over with a stream that holds back another number of pictures; times still do not
  /// decrease.
  package mutating func reset(reorderDepth: Int) {
    reset()
    self.reorderDepth = Self.usable(reorderDepth)
  }

  private mutating func popFirst() -> Int64? {
    guard count > 0 else { return nil }
    let time = times[head]
    head = (head + 1) & (times.count - 1)
    count -= 1
    return time
  }

  private mutating func grow() {
    let mask = times.count - 1
    let ordered = (0..<count).map { times[(head + $0) & mask] }
    times = ordered + Array(repeating: 0, count: times.count)
    head = 0
  }
}
