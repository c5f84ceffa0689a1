internal import CV4L2
internal import Glibc

/// One queue of a device that has to be waited for inside DQBUF, and the thread that does so.
///
/// The thread fetches one buffer at a time; the next one when that was taken.
@safe final class BlockingQueue: Sendable {
  private let descriptor: PluginDescriptor
  private let hasAnswered: EventSignal
  private let mustLook: EventSignal
  private let state = Locked(State())
  // The thread's while it asks, the taker's while there is an answer; `state` says which.
  private nonisolated(unsafe) let buffer: UnsafeMutablePointer<cv4l2_raw_buffer>

  private struct State {
    var bufferType: UInt32 = 0
    var memory: UInt32 = 0
    var planeCount: UInt32 = 0
    var heldByDriver = 0
    var isStreaming = false
    /// Counts the stretches of streaming.
    var stretch = 0
    /// Nothing more comes in this stretch.
    var isOver = false
    /// The thread is inside DQBUF.
    var isAsking = false
    /// What DQBUF said, until somebody takes it.
    var answer: Int32?
    var isEnding = false
  }

  init(_ descriptor: PluginDescriptor, hasAnswered: EventSignal) throws(Errno) {
    self.descriptor = descriptor
    self.hasAnswered = hasAnswered
    mustLook = try EventSignal()
    unsafe buffer = .allocate(capacity: 1)
    unsafe buffer.initialize(to: cv4l2_raw_buffer())
  }

  deinit { unsafe buffer.deallocate() }

  func start(named name: String) throws(Errno) {
    try DeviceThread.start(named: name) { self.run() }
  }

  /// Lets the thread go, by STREAMOFF if it waits in DQBUF.
  func end() {
    let streamingType = state.withLock { state -> UInt32? in
      state.isEnding = true
      return state.isStreaming ? state.bufferType : nil
    }
    mustLook.raise()
    guard var type = streamingType else { return }
    _ = unsafe descriptor.ioctl(CV4L2_VIDIOC_STREAMOFF, &type)
  }

  // MARK: - What the other requests do to the queue

  @unsafe func bufferIsQueued(_ queued: UnsafePointer<v4l2_buffer>) {
    let (type, memory, planes) = unsafe (
      queued.pointee.type, queued.pointee.memory, queued.pointee.length
    )
    state.withLock { state in
      state.bufferType = type
      state.memory = memory
      state.planeCount = planes
      state.heldByDriver += 1
    }
    mustLook.raise()
  }

  func bufferIsRefused() { state.withLock { $0.heldByDriver -= 1 } }

  func streamIsOn() {
    state.withLock { state in
      state.isStreaming = true
      state.isOver = false
    }
    mustLook.raise()
  }

  func streamGoesOff() {
    state.withLock { state in
      state.isStreaming = false
      state.stretch += 1
    }
  }

  /// Every buffer is the caller's again; the thread's DQBUF should be back.
  func streamIsOff() {
    let deadline = MonotonicTime.now + .milliseconds(500)
    while state.withLock({ $0.isAsking }), MonotonicTime.now < deadline {
      DeviceThread.sleep(.milliseconds(1))
    }
    state.withLock { state in
      state.answer = nil
      state.heldByDriver = 0
    }
  }

  // MARK: - Answers

  var hasAnswer: Bool { state.withLock { $0.answer != nil } }

  /// Hands out what the thread fetched, as DQBUF of a non-blocking device would.
  @unsafe func take(into caller: UnsafeMutablePointer<v4l2_buffer>) -> Int32 {
    let answer = state.withLock { state -> Int32 in
      guard let answer = state.answer else { return -EAGAIN }
      if answer == 0 || answer == -EAGAIN { unsafe cv4l2_buffer_deliver(buffer, caller) }
      state.answer = nil
      return answer
    }
    mustLook.raise()
    return answer
  }

  // MARK: - The thread

  private enum Step {
    case ask(stretch: Int)
    case rest
    case end
  }

  private func run() {
    while true {
      let step = state.withLock { state -> Step in
        if state.isEnding { return .end }
        guard state.isStreaming, !state.isOver, state.answer == nil, state.heldByDriver > 0 else {
          return .rest
        }
        state.isAsking = true
        unsafe cv4l2_buffer_prepare(buffer, state.bufferType, state.memory, state.planeCount)
        return .ask(stretch: state.stretch)
      }
      switch step {
      case .end: return
      case .rest: try? mustLook.wait(until: nil)
      case .ask(let stretch): ask(stretch)
      }
    }
  }

  private func ask(_ stretch: Int) {
    let start = MonotonicTime.now
    let result = unsafe descriptor.ioctl(CV4L2_VIDIOC_DQBUF, &buffer.pointee.buffer)
    let isLast = unsafe buffer.pointee.buffer.flags & UInt32(V4L2_BUF_FLAG_LAST) != 0
    let isAnswer = state.withLock { state -> Bool in
      state.isAsking = false
      // A buffer that comes when the next stretch streams already is of that stretch.
      guard state.isStreaming, result == 0 || state.stretch == stretch else { return false }
      // A plugin may give up after a while of its own; NVIDIA's says the end of a stream that way.
      if result == -EAGAIN || result == -EINTR, !isLast { return false }
      if result == 0 { state.heldByDriver -= 1 }
      if result != 0 || isLast { state.isOver = true }
      state.answer = result
      return true
    }
    if isAnswer {
      hasAnswered.raise()
    } else if MonotonicTime.now - start < .milliseconds(1) {
      // A device that does not wait would keep this thread busy.
      DeviceThread.sleep(.milliseconds(2))
    }
  }
}
