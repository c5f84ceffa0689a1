package import CV4L2
internal import Glibc
package import V4L2Encoder

/// A camera in this process whose frames, signal and failures a test dictates.
///
/// It answers like a driver on videobuf2 that exports no buffers, with one input.
package final class TestCamera: Transport {
  /// What its input sees.
  package enum Signal: Sendable {
    /// A webcam's: size and rate are chosen by the application.
    case own
    /// A digital signal.
    case timings(VideoSize, pixelClock: UInt64)
    /// A digital input without a usable signal, and what measuring it fails with.
    case none(Int32)
  }

  private struct Filled {
    var index: Int
    var byteCount: Int
    var flags: Int32
    var sequence: UInt32
  }

  private struct State {
    var signal: Signal
    var timings = v4l2_dv_timings()
    var size = VideoSize(width: 640, height: 480)
    var colorspace = V4L2_COLORSPACE_SRGB.rawValue
    var buffers: [UInt] = []
    var queued: [Int] = []
    var filled: [Filled] = []
    var isStreaming = false
    var sequence: UInt32 = 0
    var pendingEvents = 0
    var isSubscribed = false
    var hasFailed = false
    var isGone = false
    var isWoken = false
    var startRefusal: Int32?
    var openCount = 0
    var startCount = 0
    var bufferLength = 0
  }

  private static let largestSide: UInt32 = 4096

  package let format: PixelFormat
  /// Whether the application chooses the size.
  package let isWebcam: Bool
  private let hasEvents: Bool
  /// Where pictures start in their plane; nil for a driver with the single-planar API.
  private let dataOffset: Int?
  private let state: Locked<State>

  package init(
    _ format: PixelFormat, signal: Signal = .own, hasEvents: Bool = true, dataOffset: Int? = nil
  ) {
    self.format = format
    self.dataOffset = dataOffset
    self.hasEvents = hasEvents
    if case .own = signal { isWebcam = true } else { isWebcam = false }
    var state = State(signal: signal)
    if case .timings(let size, let clock) = signal {
      state.timings = Self.raw(size, clock)
      state.size = size
    }
    self.state = Locked(state)
  }

  package var selector: DeviceSelector { DeviceSelector(.node(path: "camera", self)) }
  /// Handles that are open.
  package var openCount: Int { state.withLock { $0.openCount } }
  /// How often it was started.
  package var startCount: Int { state.withLock { $0.startCount } }
  /// Whether there is something to send.
  package var hasSignal: Bool {
    state.withLock { if case .none = $0.signal { false } else { true } }
  }
  /// Buffers that wait to be filled.
  package var queuedCount: Int { state.withLock { $0.queued.count } }
  package var isStreaming: Bool { state.withLock { $0.isStreaming } }

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    state.withLock { $0.openCount += 1 }
    return Handle(self)
  }

  // MARK: - What a test dictates

  /// Fills the next buffer; without one the frame is lost, as with a real camera.
  package func send(_ bytes: [UInt8], flags: Int32 = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) {
    state.withLock { state in
      defer { state.sequence &+= 1 }
      guard state.isStreaming, !state.queued.isEmpty else { return }
      let index = state.queued.removeFirst()
      let start = UnsafeMutableRawPointer(bitPattern: state.buffers[index])
      let count = min(bytes.count, state.bufferLength - (dataOffset ?? 0))
      bytes.withUnsafeBytes { source in
        guard let bytes = source.baseAddress else { return }
        start?.advanced(by: dataOffset ?? 0).copyMemory(from: bytes, byteCount: count)
      }
      state.filled.append(
        Filled(index: index, byteCount: count, flags: flags, sequence: state.sequence))
    }
  }

  /// Counts a frame that no buffer gets.
  package func loseFrame() { state.withLock { $0.sequence &+= 1 } }

  /// Changes the signal and, with events, tells so; a receiver may fail its queue then.
  package func change(_ signal: Signal, failsQueue: Bool = false) {
    state.withLock { state in
      state.signal = signal
      if failsQueue { state.hasFailed = true }
      if state.isSubscribed { state.pendingEvents += 1 }
    }
  }

  /// Fails the queue as vb2_queue_error does.
  package func fail() { state.withLock { $0.hasFailed = true } }

  /// Unplugs the camera.
  package func unplug() { state.withLock { $0.isGone = true } }

  /// What STREAMON is refused with from now on.
  package func refuseStart(_ errno: Int32?) { state.withLock { $0.startRefusal = errno } }

  package func describe(colorspace: v4l2_colorspace) {
    state.withLock { $0.colorspace = colorspace.rawValue }
  }

  // MARK: - The driver

  private static func raw(_ size: VideoSize, _ clock: UInt64) -> v4l2_dv_timings {
    var raw = v4l2_dv_timings()
    raw.type = UInt32(V4L2_DV_BT_656_1120)
    raw.bt.width = UInt32(size.width)
    raw.bt.height = UInt32(size.height)
    raw.bt.pixelclock = clock
    return raw
  }

  private func perform(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    state.withLock { state in
      if state.isGone { return -ENODEV }
      switch request {
      case CV4L2_VIDIOC_QUERYCAP: return queryCapabilities(argument)
      case CV4L2_VIDIOC_ENUM_FMT: return describeFormat(argument)
      case CV4L2_VIDIOC_G_FMT, CV4L2_VIDIOC_S_FMT:
        return exchangeFormat(argument, sets: request == CV4L2_VIDIOC_S_FMT, &state)
      case CV4L2_VIDIOC_G_INPUT:
        argument.storeBytes(of: 0, as: Int32.self)
        return 0
      case CV4L2_VIDIOC_S_INPUT: return argument.load(as: Int32.self) == 0 ? 0 : -EINVAL
      case CV4L2_VIDIOC_ENUMINPUT: return describeInput(argument, state)
      case CV4L2_VIDIOC_SUBSCRIBE_EVENT:
        guard hasEvents else { return -ENOTTY }
        state.isSubscribed = true
        return 0
      case CV4L2_VIDIOC_DQEVENT:
        guard state.pendingEvents > 0 else { return -ENOENT }
        state.pendingEvents -= 1
        argument.assumingMemoryBound(to: v4l2_event.self).pointee.type =
          UInt32(V4L2_EVENT_SOURCE_CHANGE)
        return 0
      case CV4L2_VIDIOC_QUERY_DV_TIMINGS: return measure(argument, state)
      case CV4L2_VIDIOC_G_DV_TIMINGS:
        argument.assumingMemoryBound(to: v4l2_dv_timings.self).pointee = state.timings
        return 0
      case CV4L2_VIDIOC_S_DV_TIMINGS:
        guard state.buffers.isEmpty else { return -EBUSY }
        let bt = argument.assumingMemoryBound(to: v4l2_dv_timings.self).pointee.bt
        guard max(bt.width, bt.height) <= Self.largestSide else { return -ERANGE }
        state.timings = argument.assumingMemoryBound(to: v4l2_dv_timings.self).pointee
        state.size = VideoSize(
          width: Int(state.timings.bt.width), height: Int(state.timings.bt.height))
        return 0
      case CV4L2_VIDIOC_REQBUFS, CV4L2_VIDIOC_QUERYBUF, CV4L2_VIDIOC_QBUF, CV4L2_VIDIOC_DQBUF,
        CV4L2_VIDIOC_STREAMON, CV4L2_VIDIOC_STREAMOFF:
        return serveQueue(request, argument, &state)
      default: return -ENOTTY
      }
    }
  }

  private func queryCapabilities(_ argument: UnsafeMutableRawPointer) -> Int32 {
    let raw = argument.assumingMemoryBound(to: v4l2_capability.self)
    let kind = dataOffset == nil ? V4L2_CAP_VIDEO_CAPTURE : V4L2_CAP_VIDEO_CAPTURE_MPLANE
    raw.pointee.device_caps = UInt32(kind | V4L2_CAP_STREAMING)
    raw.pointee.capabilities = raw.pointee.device_caps | UInt32(V4L2_CAP_DEVICE_CAPS)
    return 0
  }

  private func describeFormat(_ argument: UnsafeMutableRawPointer) -> Int32 {
    let raw = argument.assumingMemoryBound(to: v4l2_fmtdesc.self)
    guard raw.pointee.index == 0 else { return -EINVAL }
    raw.pointee.pixelformat = format.rawValue
    return 0
  }

  private func exchangeFormat(
    _ argument: UnsafeMutableRawPointer, sets: Bool, _ state: inout State
  ) -> Int32 {
    let raw = argument.assumingMemoryBound(to: v4l2_format.self)
    if sets {
      guard state.buffers.isEmpty else { return -EBUSY }
      if case .own = state.signal {
        state.size = VideoSize(
          width: Int(min(raw.pointee.fmt.pix.width, Self.largestSide)),
          height: Int(min(raw.pointee.fmt.pix.height, Self.largestSide)))
      }
    }
    var pix = v4l2_pix_format()
    pix.width = UInt32(state.size.width)
    pix.height = UInt32(state.size.height)
    pix.pixelformat = format.rawValue
    pix.field = V4L2_FIELD_NONE.rawValue
    pix.colorspace = state.colorspace
    pix.priv = UInt32(V4L2_PIX_FMT_PRIV_MAGIC)
    // Enough for any format of these tests.
    pix.sizeimage = UInt32(state.size.width * state.size.height * 2 + 4096)
    pix.bytesperline = UInt32(format.info?.planes[0].rowBytes(width: state.size.width) ?? 0)
    guard dataOffset != nil else {
      raw.pointee.fmt.pix = pix
      return 0
    }
    var planar = v4l2_pix_format_mplane()
    planar.width = pix.width
    planar.height = pix.height
    planar.pixelformat = pix.pixelformat
    planar.field = pix.field
    planar.colorspace = pix.colorspace
    planar.num_planes = 1
    planar.plane_fmt.0.sizeimage = pix.sizeimage
    planar.plane_fmt.0.bytesperline = pix.bytesperline
    raw.pointee.fmt.pix_mp = planar
    return 0
  }

  private func describeInput(_ argument: UnsafeMutableRawPointer, _ state: State) -> Int32 {
    let raw = argument.assumingMemoryBound(to: v4l2_input.self)
    guard raw.pointee.index == 0 else { return -EINVAL }
    switch state.signal {
    case .own: break
    case .timings: raw.pointee.capabilities = UInt32(V4L2_IN_CAP_DV_TIMINGS)
    case .none:
      raw.pointee.capabilities = UInt32(V4L2_IN_CAP_DV_TIMINGS)
      raw.pointee.status = UInt32(V4L2_IN_ST_NO_SIGNAL)
    }
    return 0
  }

  private func measure(_ argument: UnsafeMutableRawPointer, _ state: State) -> Int32 {
    switch state.signal {
    case .own: return -ENOTTY
    case .none(let errno): return -errno
    case .timings(let size, let clock):
      argument.assumingMemoryBound(to: v4l2_dv_timings.self).pointee = Self.raw(size, clock)
      return 0
    }
  }

  private func serveQueue(
    _ request: UInt, _ argument: UnsafeMutableRawPointer, _ state: inout State
  ) -> Int32 {
    switch request {
    case CV4L2_VIDIOC_REQBUFS:
      let raw = argument.assumingMemoryBound(to: v4l2_requestbuffers.self)
      guard !state.isStreaming else { return -EBUSY }
      state.bufferLength = state.size.width * state.size.height * 2 + 4096
      // Former ones stay for those who still map them; a test makes few.
      state.buffers = (0..<raw.pointee.count).map { _ in
        UInt(
          bitPattern: UnsafeMutableRawPointer.allocate(byteCount: state.bufferLength, alignment: 64)
        )
      }
      return 0
    case CV4L2_VIDIOC_QUERYBUF:
      let raw = argument.assumingMemoryBound(to: v4l2_buffer.self)
      let (length, offset) = (UInt32(state.bufferLength), raw.pointee.index * 4096)
      if dataOffset == nil {
        raw.pointee.length = length
        raw.pointee.m.offset = offset
      } else {
        raw.pointee.length = 1
        raw.pointee.m.planes[0].length = length
        raw.pointee.m.planes[0].m.mem_offset = offset
      }
      return 0
    case CV4L2_VIDIOC_QBUF:
      if state.hasFailed { return -EIO }
      let index = Int(argument.assumingMemoryBound(to: v4l2_buffer.self).pointee.index)
      guard state.buffers.indices.contains(index), !state.queued.contains(index) else {
        return -EINVAL
      }
      state.queued.append(index)
      return 0
    case CV4L2_VIDIOC_DQBUF: return takeFilled(argument, &state)
    case CV4L2_VIDIOC_STREAMON:
      if let refusal = state.startRefusal { return -refusal }
      state.isStreaming = true
      state.startCount += 1
      state.sequence = 0
      return 0
    default:
      state.isStreaming = false
      state.hasFailed = false
      state.queued = []
      state.filled = []
      return 0
    }
  }

  private func takeFilled(_ argument: UnsafeMutableRawPointer, _ state: inout State) -> Int32 {
    if state.hasFailed { return -EIO }
    guard state.isStreaming else { return -EINVAL }
    guard !state.filled.isEmpty else { return -EAGAIN }
    let next = state.filled.removeFirst()
    let raw = argument.assumingMemoryBound(to: v4l2_buffer.self)
    raw.pointee.index = UInt32(next.index)
    if let dataOffset {
      // What is used includes what is in front of the picture (struct v4l2_plane).
      raw.pointee.m.planes[0].bytesused = UInt32(dataOffset + next.byteCount)
      raw.pointee.m.planes[0].data_offset = UInt32(dataOffset)
    } else {
      raw.pointee.bytesused = UInt32(next.byteCount)
    }
    raw.pointee.flags = UInt32(next.flags)
    raw.pointee.sequence = next.sequence
    raw.pointee.timestamp = timeval(tv_sec: 1, tv_usec: Int(next.sequence) * 40_000)
    return 0
  }

  private func readiness(of interest: Readiness) -> Readiness? {
    state.withLock { state in
      if state.isWoken {
        state.isWoken = false
        return []
      }
      var ready: Readiness = []
      if state.isGone { ready = [.error, .hangUp, .event] }
      if interest.contains(.event), state.pendingEvents > 0 { ready.insert(.event) }
      if interest.contains(.capture) {
        if !state.filled.isEmpty { ready.insert(.capture) }
        if state.hasFailed || !state.isStreaming { ready.insert(.error) }
      }
      return ready.isEmpty ? nil : ready
    }
  }

  private final class Handle: DeviceHandle {
    private let camera: TestCamera
    init(_ camera: TestCamera) { self.camera = camera }

    func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
      camera.perform(request, argument)
    }
    func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
      let address = camera.state.withLock { $0.buffers[Int(plane.index)] }
      guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else {
        throw Errno(rawValue: EFAULT)
      }
      return pointer
    }
    func unmap(_ address: UnsafeMutableRawPointer, length: Int) {}
    func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
      while true {
        if let ready = camera.readiness(of: interest) { return ready }
        if let deadline, MonotonicTime.now >= deadline { return [] }
        DeviceThread.sleep(.milliseconds(1))
      }
    }
    func reopen() {}
    func wake() { camera.state.withLock { $0.isWoken = true } }
    func close() { camera.state.withLock { $0.openCount -= 1 } }
  }
}
