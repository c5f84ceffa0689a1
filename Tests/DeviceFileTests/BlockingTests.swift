import CV4L2
import Foundation
import TestSupport
import Testing

@Suite("Blocking and non-blocking files", .needsDeviceFile)
struct BlockingTests {
  private static let options = ["--api", "splane", "--backend", "null"]

  @Test("a blocking file waits, until a buffer is there")
  func waits() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path)
      try client.start()
      let call = BlockingCall { client.dequeue(RawClient.captureType) }
      try await client.eventuallyWaits()
      // A waiting request must hold up no other one.
      try client.queueFrame()
      #expect(try await call.result() == 0)
      #expect(client.dequeue(RawClient.outputType) == 0)
    }
  }

  @Test("O_NONBLOCK counts when it was set after opening, and when it was cleared again")
  func changedByControl() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path)
      try client.start()
      client.setNonBlocking(true)
      #expect(client.dequeue(RawClient.captureType) == -EAGAIN)
      #expect(client.dequeueEvent() == -ENOENT)

      client.setNonBlocking(false)
      let call = BlockingCall { client.dequeue(RawClient.captureType) }
      try await client.eventuallyWaits()
      try client.queueFrame()
      #expect(try await call.result() == 0)
    }
  }

  @Test("opened non-blocking, made blocking later")
  func openedNonBlocking() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path, flags: O_RDWR | O_NONBLOCK)
      try client.start()
      #expect(client.dequeue(RawClient.captureType) == -EAGAIN)
      client.setNonBlocking(false)
      let call = BlockingCall { client.dequeue(RawClient.captureType) }
      try await client.eventuallyWaits()
      try client.queueFrame()
      #expect(try await call.result() == 0)
    }
  }

  @Test("a program's files are told apart when only some are non-blocking")
  func several() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let blocking = try RawClient(device.path)
      let other = try RawClient(device.path)
      try blocking.start()
      try other.start()
      other.setNonBlocking(true)
      #expect(other.dequeue(RawClient.captureType) == -EAGAIN)
      #expect(other.dequeueEvent() == -ENOENT)

      let call = BlockingCall { blocking.dequeue(RawClient.captureType) }
      try await blocking.eventuallyWaits()
      #expect(other.dequeue(RawClient.captureType) == -EAGAIN)
      try blocking.queueFrame()
      #expect(try await call.result() == 0)
    }
  }

  @Test("a signal interrupts a waiting call, which loses no buffer")
  func interrupted() async throws {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(SIGUSR1, &action, nil)
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path)
      try client.start()
      for _ in 0..<20 {
        let call = BlockingCall { client.dequeue(RawClient.captureType) }
        try await client.eventuallyWaits()
        await call.signal(SIGUSR1)
        #expect(try await call.result() == -EINTR)
      }
      try client.queueFrame()
      let call = BlockingCall { client.dequeue(RawClient.captureType) }
      #expect(try await call.result() == 0)
    }
  }

  @Test("poll says what can be dequeued, and wakes for it")
  func polled() async throws {
    try await DeviceFile.serve(Self.options) { device in
      let client = try RawClient(device.path, flags: O_RDWR | O_NONBLOCK)
      try client.start()
      for round in 0..<100 {
        let index = UInt32(round % 2)
        #expect(client.queue(RawClient.captureType, index) == 0)
        let call = BlockingCall { client.waitReady(POLLIN | POLLRDNORM) }
        #expect(client.queue(RawClient.outputType, index) == 0)
        #expect(try await call.result() == POLLIN | POLLRDNORM)
        #expect(client.dequeue(RawClient.captureType) == 0)
        #expect(client.waitReady(POLLOUT | POLLWRNORM) == POLLOUT | POLLWRNORM)
        #expect(client.dequeue(RawClient.outputType) == 0)
      }
    }
  }
}

extension RawClient {
  /// Waits until a thread of this process sleeps in DQBUF of this file.
  func eventuallyWaits() async throws {
    let call = ["0x\(String(descriptor, radix: 16))", "0x\(String(CV4L2_VIDIOC_DQBUF, radix: 16))"]
    try await eventually("the call sleeps in the kernel") {
      let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
      return tasks.contains { task in
        // "NUMBER ARGUMENT ARGUMENT …" of the system call a sleeping thread is in.
        let words = try? String(contentsOfFile: "/proc/self/task/\(task)/syscall", encoding: .utf8)
          .split(separator: " ")
        return words.map { $0.count > 3 && $0[1...2].map(String.init) == call } ?? false
      }
    }
  }

  /// The bits of poll(2) that came, or 0 after five seconds.
  func waitReady(_ events: Int32) -> Int32 {
    var waiting = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&waiting, 1, 5000) == 1 ? Int32(waiting.revents) : 0
  }
}
