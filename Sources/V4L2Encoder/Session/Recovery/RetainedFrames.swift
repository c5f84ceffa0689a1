/// The frames that an encoder has got and whose packets are not out, in the order it got them, in
/// case they must go to another one.
package final class RetainedFrames: Sendable {
  /// One frame on its way through an encoder.
  package struct Frame: Sendable {
    fileprivate let identity: UInt64
    /// Nil for a picture in a buffer of the device's own.
    package let picture: VideoFrame?
    package let presentationTime: Int64
    package let options: FrameOptions
    /// The number of the encoder that has it.
    fileprivate var encoder: Int
    /// Whether that encoder's `encode` has returned.
    fileprivate var isTaken = false
  }

  /// What must be done with what the former encoder left behind.
  package struct Remainder: Sendable {
    /// The number of the encoder that gets the frames.
    package var encoder: Int
    /// The frames that can be encoded again.
    package var frames: [Frame] = []
    /// The times of the pictures that went with the device.
    package var lost: [Int64] = []
  }

  private struct State {
    var frames: [Frame] = []
    var encoder = 0
    var lastIdentity: UInt64 = 0
    var takenCount = 0
    var isClosed = false

    mutating func remove(_ identity: UInt64) -> Frame? {
      guard let index = frames.firstIndex(where: { $0.identity == identity }) else { return nil }
      return frames.remove(at: index)
    }

    /// Takes the lost pictures out; frames whose `encode` has not returned are their callers'.
    mutating func moveOn() -> Remainder {
      encoder += 1
      var remainder = Remainder(encoder: encoder)
      frames.removeAll { frame in
        guard frame.isTaken, frame.picture == nil else { return false }
        remainder.lost.append(frame.presentationTime)
        return true
      }
      for index in frames.indices where frames[index].isTaken {
        frames[index].encoder = encoder
        remainder.frames.append(frames[index])
      }
      return remainder
    }
  }

  private let state = Locked(State())

  package init() {}

  /// How many frames are kept.
  package var count: Int { state.withLock { $0.frames.count } }
  /// How many frames the encoders took, each counted once.
  package var takenCount: Int { state.withLock { $0.takenCount } }

  /// Whether no encoder will follow the present one.
  package var isClosed: Bool { state.withLock { $0.isClosed } }

  /// No encoder will follow the present one.
  package func close() { state.withLock { $0.isClosed = true } }

  /// Enters a frame that is about to be given to an encoder, since its packet may be out before
  /// `encode` returns.
  package func add(
    _ picture: VideoFrame?, presentationTime: Int64, options: FrameOptions, to encoder: Int
  ) -> UInt64 {
    state.withLock { state in
      state.lastIdentity += 1
      state.frames.append(
        Frame(
          identity: state.lastIdentity, picture: picture, presentationTime: presentationTime,
          options: options, encoder: encoder))
      return state.lastIdentity
    }
  }

  /// Notes that an encoder took a frame; false when another one has followed it that knows nothing
  /// of the frame.
  package func taken(_ identity: UInt64) -> Bool {
    // What goes is dropped outside the lock: it may tell the frame's owner.
    let (isKept, dropped) = state.withLock { state -> (Bool, Frame?) in
      guard let index = state.frames.firstIndex(where: { $0.identity == identity }) else {
        state.takenCount += 1
        return (true, nil)
      }
      guard state.frames[index].encoder == state.encoder else {
        return (false, state.frames.remove(at: index))
      }
      state.frames[index].isTaken = true
      state.takenCount += 1
      return (true, nil)
    }
    withExtendedLifetime(dropped) {}
    return isKept
  }

  /// Forgets a frame that an encoder refused.
  package func refused(_ identity: UInt64) {
    let frame = state.withLock { $0.remove(identity) }
    withExtendedLifetime(frame) {}
  }

  /// Forgets a frame that the next encoder does not take.
  package func forget(_ frame: Frame) { refused(frame.identity) }

  /// Forgets the oldest frame with this time, whose packet is out of an encoder.
  package func left(_ presentationTime: Int64, _ encoder: Int) {
    let frame = state.withLock { state -> Frame? in
      let index = state.frames.firstIndex { frame in
        frame.presentationTime == presentationTime && frame.encoder == encoder
      }
      guard encoder == state.encoder, let index else { return nil }
      return state.frames.remove(at: index)
    }
    withExtendedLifetime(frame) {}
  }

  /// Hands everything over to the next encoder; what the former one still says does not count.
  package func moveOn() -> Remainder { state.withLock { $0.moveOn() } }

  /// Gives everything away, because there will be no other encoder.
  package func takeAll() -> Remainder {
    let (remainder, frames) = state.withLock { state -> (Remainder, [Frame]) in
      let remainder = state.moveOn()
      let frames = state.frames
      state.frames.removeAll { $0.isTaken }
      return (remainder, frames)
    }
    withExtendedLifetime(frames) {}
    return remainder
  }
}
