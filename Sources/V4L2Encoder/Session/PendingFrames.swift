/// The frames inside the driver, in the order they were queued.
///
/// The driver gets a unique time in microseconds for each, and copies it to the packet; the
/// caller's own time never travels through the driver.
package struct PendingFrames: Sendable {
  package struct Frame: Sendable {
    package var key: Int64
    package var presentationTime: Int64
    package var duration: Int64
    /// When `encode` was called.
    package var begun: MonotonicTime
    /// When the driver got it.
    package var handedOver: MonotonicTime
  }

  private var frames: [Frame] = []
  private var lastKey: Int64 = 0
  private var lastMicroseconds: Int64 = 0

  package init() { frames.reserveCapacity(64) }

  package var isEmpty: Bool { frames.isEmpty }
  package var count: Int { frames.count }

  /// Whether a frame is still inside the driver.
  package func contains(key: Int64) -> Bool { frames.contains { $0.key == key } }

  /// No step from one key to the next is longer than this, an hour: a time that jumps must not
  /// use up what the kernel can store, which is 64 bits of nanoseconds.
  private static let longestStep: Int64 = 3_600_000_000

  /// Enters a frame and returns its key.
  ///
  /// Keys start at 1 and advance as the frames' times do, because firmware may look at them
  /// (bcm2835 hands them to the VPU); where the times do not advance, or jump, the next key is one
  /// microsecond later. No key is zero, which is the time of header buffers on bcm2835.
  package mutating func insert(
    presentationTime: Int64, duration: Int64, microseconds: Int64, begun: MonotonicTime,
    handedOver: MonotonicTime
  ) -> Int64 {
    let step = microseconds.subtractingReportingOverflow(lastMicroseconds)
    let isSteady =
      lastKey > 0 && !step.overflow && (1...Self.longestStep).contains(step.partialValue)
    lastKey += isSteady ? step.partialValue : 1
    lastMicroseconds = microseconds
    frames.append(
      Frame(
        key: lastKey, presentationTime: presentationTime, duration: duration, begun: begun,
        handedOver: handedOver))
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
