import CV4L2
import Glibc
import TestSupport
import Testing
import VirtualV4L2Device

@testable import V4L2Encoder

/// Devices that wake the event loop for nothing.
@Suite(.timeLimit(.minutes(1))) struct VainWakeTests {
  @Test("a device that says ready and has nothing, for ever, is asked less often and then given up")
  func readyForEverWithoutBuffers() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      takesPacket(request, argument) || takesFrameBack(request, argument)
        ? -EAGAIN : device.perform(request, argument)
    }
    let lines = Locked<[String]>([])
    let observer = EncoderObserver(
      level: .info, log: { _, line in lines.withLock { $0.append(line) } })
    let encoder = try await Harness.openHasty(transport, observer: observer)
    let reader = Harness.collect(encoder.packets)
    let error = try await encoderError {
      for time in Int64(0)..<20 { try await encoder.encode(Harness.frame(time)) }
    }
    #expect(error?.message.contains("though it says that buffers are ready") == true)
    #expect(error?.code == .deviceStalled)
    // Twice the deadline at four milliseconds each, both queues, and the first few; thousands
    // before.
    #expect(transport.requests.count { $0 == CV4L2_VIDIOC_DQBUF } < 900)
    #expect(lines.withLock { $0.count { $0.contains("ready and has none") } } == 1)
    await encoder.close()
    #expect(try await encoderError { _ = try await reader.value }?.code == .deviceStalled)
  }

  @Test("queues that say in vain that they are ready are left alone together, not in turn")
  func vainWakesOfBothQueues() {
    var wakes = VainWakes()
    let start = MonotonicTime.now
    #expect(wakes.roundEnded(.capture, progress: start)?.queues == nil)
    var pause: VainWakes.Pause?
    for _ in 0..<9 { pause = wakes.roundEnded(.capture, progress: start) }
    #expect(pause?.queues == .capture)
    // Its place is taken by the other one, as soon as somebody waits for that.
    #expect(wakes.roundEnded(.output, progress: start)?.queues == [.capture, .output])
    #expect(wakes.roundEnded(.capture, progress: start)?.queues == [.capture, .output])
    // A paused round reports nothing.
    #expect(wakes.roundEnded([], progress: start)?.queues == nil)
    #expect(wakes.roundEnded(.output, progress: start)?.queues == [.capture, .output])
    #expect(wakes.roundEnded(.output, progress: start + .milliseconds(1))?.queues == nil)
    for _ in 0..<9 { pause = wakes.roundEnded(.output, progress: start + .milliseconds(1)) }
    #expect(pause?.queues == .output)
  }

  @Test("an event that cannot be read does not make the event loop spin")
  func unreadableEvents() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      request == CV4L2_VIDIOC_DQEVENT ? -EINVAL : device.perform(request, argument)
    }
    let encoder = try await Harness.openHasty(transport)
    let reader = Harness.collect(encoder.packets)
    try await encoder.encode(Harness.frame(0))
    try await encoder.drain()
    let (start, before) = (MonotonicTime.now, encoder.statistics.waits)
    try await eventually("some time of rest") { MonotonicTime.now - start > .milliseconds(300) }
    // One wait per deadline and a few for what was under way; a spinning loop makes thousands.
    let rounds = Double((MonotonicTime.now - start).inNanoseconds) / 6e8
    #expect(encoder.statistics.waits - before < Int(rounds) + 20)
    #expect(transport.requests.count { $0 == CV4L2_VIDIOC_DQEVENT } == 1)
    await encoder.close()
    #expect(try await reader.value.count == 1)
  }
}
