/// The frames inside the driver, in the order they were queued.
///
/// The driver gets a unique time in microseconds for each, and copies it to the packet; the
/// caller's own time never travels through the driver.
package struct PendingFrames: Sendable {
  package struct Frame: Sendable {
    package var key: Int64
    package var presentationTime: Int64
    package var duration: Int64
    package var queuedAt: MonotonicTime
  }

  private var frames: [Frame] = []
  private var lastKey: Int64 = 0

  package init() { frames.reserveCapacity(64) }

  package var isEmpty: Bool { frames.isEmpty }
  package var count: Int { frames.count }

  /// Enters a frame and returns its key.
  ///
  /// The key follows the frame's time where that is possible, because firmware may look at it
  /// (bcm2835 hands it to the VPU); it is never zero, which is the time of header buffers there.
  package mutating func insert(
    presentationTime: Int64, duration: Int64, microseconds: Int64, at now: MonotonicTime
  ) -> Int64 {
    let wanted = microseconds >= 0 && microseconds < Int64.max / 2 ? microseconds + 1 : 1
    lastKey = max(lastKey + 1, wanted)
    frames.append(
      Frame(key: lastKey, presentationTime: presentationTime, duration: duration, queuedAt: now))
    return lastKey
  }

  /// Takes a frame out that was not queued after all.
  package mutating func cancel(key: Int64) {
    if let index = frames.lastIndex(where: { $0.key == key }) { frames.remove(at: index) }
  }

  /// What a packet's key says.
  package struct Match: Sendable {
    package var frame: Frame
    /// How many frames the driver passed over without a picture.
    package var skippedCount: Int
  }

  /// Takes the frame out that belongs to a packet.
  ///
  /// Frames that were queued more than `reorderDepth` places before it can no longer come; they
  /// stay at the front of the table until `takeSkipped`.
  package mutating func match(key: Int64, reorderDepth: Int) -> Match? {
    guard let index = frames.firstIndex(where: { $0.key == key }) else { return nil }
    let frame = frames.remove(at: index)
    return Match(frame: frame, skippedCount: max(0, index - reorderDepth))
  }

  /// Takes the oldest frame out, for drivers that do not copy the time.
  package mutating func matchOldest() -> Frame? { frames.isEmpty ? nil : frames.removeFirst() }

  /// Takes the oldest frame out, because the driver passed over it.
  package mutating func takeSkipped() -> Frame? { matchOldest() }
}
