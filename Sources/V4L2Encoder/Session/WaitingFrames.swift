/// A frame on its way into the device.
struct OfferedFrame: Sendable {
  let frame: VideoFrame
  var options: FrameOptions
  /// When `encode` was called.
  let start: MonotonicTime

  /// The DMABUFs that hold it, if it is in DMABUFs.
  var image: DMABUFImage? {
    guard case .dmabuf(let image) = frame.storage else { return nil }
    return image
  }
}

/// The frames that wait in the library because the device has no room for them, oldest first.
struct WaitingFrames {
  private var frames: [(sequence: UInt64, offered: OfferedFrame)] = []
  private var lastGiven: UInt64 = 0
  /// The frame that was taken and has not come into the device yet.
  private var inHand: UInt64?
  /// Whether a task brings them into the device.
  private(set) var isBeingFed = false

  var count: Int { frames.count }
  var first: OfferedFrame? { frames.first?.offered }
  /// The number of the youngest frame; nil when none is on its way.
  var lastSequence: UInt64? { frames.last?.sequence ?? inHand }

  /// Whether no frame up to this one is on its way any more.
  func haveLeft(upTo sequence: UInt64) -> Bool {
    [frames.first?.sequence, inHand].allSatisfy { $0.map { $0 > sequence } ?? true }
  }

  mutating func append(_ offered: OfferedFrame) {
    lastGiven += 1
    frames.append((lastGiven, offered))
  }

  mutating func removeFirst() -> OfferedFrame? {
    frames.isEmpty ? nil : frames.removeFirst().offered
  }

  mutating func removeAll() -> [OfferedFrame] {
    defer { frames = [] }
    return frames.map(\.offered)
  }

  /// The first frame has its key frame already.
  mutating func settleKeyFrameOfFirst() {
    if !frames.isEmpty { frames[0].offered.options.forceKeyFrame = false }
  }

  // MARK: - Feeding

  /// Whether somebody must begin to feed now.
  mutating func beginFeeding() -> Bool {
    defer { isBeingFed = true }
    return !isBeingFed
  }

  /// Whether there is a frame to feed; if not, the feeding is over.
  mutating func feedingGoesOn() -> Bool {
    isBeingFed = !frames.isEmpty
    return isBeingFed
  }

  mutating func takeInHand() -> OfferedFrame? {
    inHand = frames.first?.sequence
    return removeFirst()
  }

  mutating func settleInHand() { inHand = nil }

  /// Puts the frame back that the device did not take, before all others.
  mutating func putBack(_ offered: OfferedFrame) {
    guard let sequence = inHand.take() else { return }
    frames.insert((sequence, offered), at: 0)
  }
}
