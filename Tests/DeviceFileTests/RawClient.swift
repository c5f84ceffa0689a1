import CV4L2
import Foundation
import TestSupport

/// A client made of bare ioctls on the single-planar interface, to test what programs rarely do.
// The descriptor never changes; the kernel orders everything else.
final class RawClient: @unchecked Sendable {
  static let outputType = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
  static let captureType = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
  static let width: UInt32 = 64
  static let height: UInt32 = 64

  let descriptor: Int32

  init(_ path: String, flags: Int32 = O_RDWR) throws {
    descriptor = cv4l2_open(path, flags)
    guard descriptor >= 0 else { throw TestSupportError("open \(path): errno \(-descriptor)") }
  }

  deinit { cv4l2_close(descriptor) }

  /// Performs a request; its result, or a negated errno.
  @discardableResult
  func control<Argument>(_ request: UInt, _ argument: inout Argument) -> Int32 {
    withUnsafeMutablePointer(to: &argument) { cv4l2_ioctl(descriptor, request, $0) }
  }

  private func mustControl<Argument>(
    _ name: String, _ request: UInt, _ argument: inout Argument
  ) throws {
    let result = control(request, &argument)
    if result < 0 { throw TestSupportError("\(name): errno \(-result)") }
  }

  /// Sets formats, allocates buffers and starts both queues.
  func start(
    buffers: UInt32 = 2, codec: UInt32 = CV4L2_PIX_FMT_H264,
    outputMemory: v4l2_memory = V4L2_MEMORY_MMAP
  ) throws {
    for (type, pixelFormat) in [
      (Self.captureType, codec), (Self.outputType, CV4L2_PIX_FMT_NV12),
    ] {
      var format = v4l2_format()
      format.type = type
      format.fmt.pix.width = Self.width
      format.fmt.pix.height = Self.height
      format.fmt.pix.pixelformat = pixelFormat
      format.fmt.pix.sizeimage = 1 << 18
      try mustControl("VIDIOC_S_FMT", CV4L2_VIDIOC_S_FMT, &format)
    }
    for (type, memory) in [
      (Self.captureType, V4L2_MEMORY_MMAP), (Self.outputType, outputMemory),
    ] {
      var request = v4l2_requestbuffers()
      request.count = buffers
      request.type = type
      request.memory = memory.rawValue
      try mustControl("VIDIOC_REQBUFS", CV4L2_VIDIOC_REQBUFS, &request)
    }
    for type in [Self.captureType, Self.outputType] {
      var type = type
      try mustControl("VIDIOC_STREAMON", CV4L2_VIDIOC_STREAMON, &type)
    }
  }

  /// The bytes an OUTPUT buffer (a raw frame) must have.
  func frameBytes() throws -> Int {
    var format = v4l2_format()
    format.type = Self.outputType
    try mustControl("VIDIOC_G_FMT", CV4L2_VIDIOC_G_FMT, &format)
    return Int(format.fmt.pix.sizeimage)
  }

  /// Queues a buffer; the result, or a negated errno.
  @discardableResult
  func queue(_ type: UInt32, _ index: UInt32, importing imported: Int32? = nil) -> Int32 {
    var buffer = v4l2_buffer()
    buffer.type = type
    buffer.index = index
    buffer.memory = V4L2_MEMORY_MMAP.rawValue
    if let imported {
      buffer.memory = V4L2_MEMORY_DMABUF.rawValue
      buffer.m.fd = imported
    }
    return control(CV4L2_VIDIOC_QBUF, &buffer)
  }

  /// Queues one frame and room for its packet.
  func queueFrame(_ index: UInt32 = 0) throws {
    for type in [Self.captureType, Self.outputType] {
      let result = queue(type, index)
      if result < 0 { throw TestSupportError("VIDIOC_QBUF: errno \(-result)") }
    }
  }

  /// Dequeues a buffer, waiting if the file may; the result, or a negated errno.
  func dequeue(_ type: UInt32, memory: v4l2_memory = V4L2_MEMORY_MMAP) -> Int32 {
    var buffer = v4l2_buffer()
    buffer.type = type
    buffer.memory = memory.rawValue
    return control(CV4L2_VIDIOC_DQBUF, &buffer)
  }

  /// Waits for a packet; its bytes.
  func dequeuePacket() throws -> [UInt8] {
    var buffer = v4l2_buffer()
    buffer.type = Self.captureType
    buffer.memory = V4L2_MEMORY_MMAP.rawValue
    try mustControl("VIDIOC_DQBUF", CV4L2_VIDIOC_DQBUF, &buffer)
    let memory = try mapCapture(buffer.index)
    defer { munmap(memory.baseAddress, memory.count) }
    return [UInt8](memory[..<Int(buffer.bytesused)])
  }

  func dequeueEvent() -> Int32 {
    var event = v4l2_event()
    return control(CV4L2_VIDIOC_DQEVENT, &event)
  }

  func setNonBlocking(_ nonBlocking: Bool) {
    _ = fcntl(descriptor, F_SETFL, nonBlocking ? O_RDWR | O_NONBLOCK : O_RDWR)
  }

  /// Maps the first plane of a CAPTURE buffer (encoded bytes).
  func mapCapture(_ index: UInt32) throws -> UnsafeMutableRawBufferPointer {
    var buffer = v4l2_buffer()
    buffer.type = Self.captureType
    buffer.index = index
    try mustControl("VIDIOC_QUERYBUF", CV4L2_VIDIOC_QUERYBUF, &buffer)
    var address: UnsafeMutableRawPointer?
    let result = cv4l2_mmap(descriptor, Int(buffer.length), Int64(buffer.m.offset), &address)
    guard result == 0, let address else { throw TestSupportError("mmap: errno \(-result)") }
    return UnsafeMutableRawBufferPointer(start: address, count: Int(buffer.length))
  }
}

/// Runs something that blocks on a thread of its own.
final class BlockingCall: Sendable {
  private let task: Task<(value: Int32, end: ContinuousClock.Instant), Never>
  private let thread: Task<pthread_t, Never>

  init(_ body: @escaping @Sendable () -> Int32) {
    let (threads, announce) = AsyncStream.makeStream(of: UInt.self)
    let (results, finish) = AsyncStream.makeStream(
      of: (value: Int32, end: ContinuousClock.Instant).self)
    thread = Task {
      for await thread in threads { return pthread_t(thread) }
      return 0
    }
    task = Task {
      for await result in results { return result }
      return (Int32.min, .now)
    }
    Thread.detachNewThread {
      // Tasks run on threads that block every signal, and new threads inherit that.
      var signals = sigset_t()
      sigaddset(&signals, SIGUSR1)
      pthread_sigmask(SIG_UNBLOCK, &signals, nil)
      announce.yield(UInt(pthread_self()))
      let value = body()
      finish.yield((value, .now))
    }
  }

  /// What the call returned.
  func result() async throws -> Int32 { try await outcome().value }

  /// When it returned.
  func end() async throws -> ContinuousClock.Instant { try await outcome().end }

  private func outcome() async throws -> (value: Int32, end: ContinuousClock.Instant) {
    let task = task
    return try await withDeadline(.patience, "the blocking call") { await task.value }
  }

  /// Sends its thread a signal.
  func signal(_ number: Int32) async { pthread_kill(await thread.value, number) }
}
