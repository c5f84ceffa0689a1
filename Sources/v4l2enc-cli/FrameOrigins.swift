internal import V4L2Encoder

/// What the camera said of the frames that are inside the encoder.
final class FrameOrigins: Sendable {
  private struct Entry {
    var time: Int64
    var origin: FrameOrigin
  }

  private let entries: Locked<[Entry]>
  /// More frames than any encoder holds; what is older was skipped by the driver.
  private static let capacity = 256

  init() {
    var entries: [Entry] = []
    entries.reserveCapacity(Self.capacity)
    self.entries = Locked(entries)
  }

  /// Remembers a frame that goes into the encoder.
  func note(_ frame: CapturedFrame, at time: Int64) {
    let origin = FrameOrigin(
      sequence: frame.sequence, lostBefore: frame.framesLostBefore, isSpoiled: frame.isCorrupt)
    note(origin, at: time)
  }

  /// Remembers where the frame of this time stands.
  func note(_ origin: FrameOrigin, at time: Int64) {
    entries.withLock { entries in
      if entries.count == Self.capacity { entries.removeFirst() }
      entries.append(Entry(time: time, origin: origin))
    }
  }

  /// What was said of the frame of this time; forgets it.
  func take(_ time: Int64) -> FrameOrigin? {
    entries.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.time == time }) else { return nil }
      return entries.remove(at: index).origin
    }
  }
}
