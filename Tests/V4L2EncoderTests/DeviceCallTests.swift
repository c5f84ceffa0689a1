import CV4L2
import Glibc
import Testing

@testable import V4L2Encoder

/// Plays a device: answers requests from a script and records what was asked.
final class ScriptedHandle: DeviceHandle {
  private let script: Locked<[Int32]>
  private let flags: UInt32
  private let asked = Locked<[UInt]>([])

  /// Creates a device with these answers, which leaves these flags in every buffer.
  init(_ script: [Int32], flags: UInt32 = 0) {
    self.script = Locked(script)
    self.flags = flags
  }

  var requests: [UInt] { asked.withLock { $0 } }

  func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    asked.withLock { $0.append(request) }
    if request == CV4L2_VIDIOC_DQBUF {
      argument.assumingMemoryBound(to: v4l2_buffer.self).pointee.flags = flags
    }
    return script.withLock { $0.isEmpty ? 0 : $0.removeFirst() }
  }

  func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    throw Errno(rawValue: ENODEV)
  }
  func unmap(_ address: UnsafeMutableRawPointer, length: Int) {}
  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    []
  }
  func wake() {}
  func reopen() {}
  func close() {}
}

@Suite struct DeviceCallTests {
  @Test("EINTR is retried, once per interruption", arguments: [0, 1, 3])
  func retries(interruptions: Int) throws {
    let handle = ScriptedHandle(Array(repeating: -EINTR, count: interruptions) + [0])
    _ = try handle.queryCapabilities()
    #expect(handle.requests == Array(repeating: CV4L2_VIDIOC_QUERYCAP, count: interruptions + 1))
  }

  @Test("Every other errno reaches the caller unchanged", arguments: [EINVAL, ENOTTY, EBUSY, 4095])
  func passesThrough(code: Int32) {
    #expect(throws: Errno(rawValue: code)) { try ScriptedHandle([-code]).queryCapabilities() }
  }

  @Test func dequeueNamesWhatIsNoFailure() throws {
    guard case .notReady = try ScriptedHandle([-EAGAIN]).dequeue(1) else {
      Issue.record("EAGAIN")
      return
    }
    guard case .endOfStream = try ScriptedHandle([-EPIPE]).dequeue(1) else {
      Issue.record("EPIPE")
      return
    }
    // NVIDIA's plugin says the end that way.
    let ending = ScriptedHandle([-EAGAIN], flags: UInt32(V4L2_BUF_FLAG_LAST))
    guard case .endOfStream = try ending.dequeue(1) else {
      Issue.record("EAGAIN with LAST")
      return
    }
    #expect(throws: Errno(rawValue: EIO)) { try ScriptedHandle([-EIO]).dequeue(1) }
  }

  @Test func controlsFallBackToTheOldRequest() throws {
    let handle = ScriptedHandle([-ENOTTY, 0])
    try handle.setControl(.bitrate, 1_000_000)
    #expect(handle.requests == [CV4L2_VIDIOC_S_EXT_CTRLS, CV4L2_VIDIOC_S_CTRL])
  }

  @Test func endlessListsEnd() throws {
    #expect(try ScriptedHandle([]).formats(1).count == 256)
  }
}
