import Testing

@testable import V4L2Encoder

@Suite struct SessionStateMachineTests {
  /// A machine with this many frames queued.
  private func streaming(frames: Int = 1) -> SessionStateMachine {
    var machine = SessionStateMachine()
    for _ in 0..<frames {
      expectEqual(machine.admit(), .proceed)
      machine.frameReserved()
      machine.frameSettled(queued: true)
    }
    return machine
  }

  @Test func drainWithoutFramesHasNothingToDo() {
    var machine = SessionStateMachine()
    expectEqual(machine.requestDrain(), false)
    #expect(machine.state == .streaming)
    expectEqual(machine.nextCommand(), nil)
  }

  @Test func stopWaitsForFramesInTransit() {
    var machine = streaming()
    machine.frameReserved()
    expectEqual(machine.requestDrain(), true)
    #expect(machine.state == .stopping)
    expectEqual(machine.nextCommand(), nil)
    expectEqual(machine.admit(), .wait)
    machine.frameSettled(queued: true)
    #expect(machine.state == .draining(.none))
    expectEqual(machine.nextCommand(), .stop)
    expectEqual(machine.nextCommand(), nil)
  }

  @Test func stopIsForgottenWhenTheOnlyFrameIsGivenBack() {
    var machine = SessionStateMachine()
    machine.frameReserved()
    expectEqual(machine.requestDrain(), true)
    machine.frameSettled(queued: false)
    #expect(machine.state == .streaming)
    expectEqual(machine.nextCommand(), nil)
  }

  @Test func lastBufferEndsTheDrainEvenWithFramesMissing() {
    var machine = streaming()
    _ = machine.requestDrain()
    expectEqual(
      machine.captureDequeued(isLast: false, isEmpty: false, nothingPending: false), false)
    expectEqual(machine.captureDequeued(isLast: true, isEmpty: false, nothingPending: false), true)
    // Whoever waits for the end must not see it before the tables have it.
    #expect(machine.state == .draining(.none))
    expectEqual(machine.admit(), .wait)
    machine.drained()
    #expect(machine.state == .drained)
  }

  @Test func lastBufferWithoutDrainIsNoEnd() {
    var machine = streaming()
    expectEqual(machine.captureDequeued(isLast: true, isEmpty: true, nothingPending: true), false)
    #expect(machine.state == .streaming)
  }

  @Test func emptyBufferEndsOnlyWhenNothingIsMissing() {
    var complete = streaming()
    _ = complete.requestDrain()
    expectEqual(complete.captureDequeued(isLast: false, isEmpty: true, nothingPending: true), true)

    var incomplete = streaming()
    _ = incomplete.requestDrain()
    expectEqual(
      incomplete.captureDequeued(isLast: false, isEmpty: true, nothingPending: false), false)
    #expect(incomplete.state == .draining(.vague))
    expectEqual(incomplete.silencePassed(), true)
    incomplete.drained()
    #expect(incomplete.state == .drained)
  }

  @Test func emptyBufferWhileStreamingIsASkippedFrame() {
    var machine = streaming()
    expectEqual(machine.captureDequeued(isLast: false, isEmpty: true, nothingPending: true), false)
    #expect(machine.state == .streaming)
  }

  @Test func endOfStreamEventNeedsSilenceOrTheLastPacket() {
    var machine = streaming()
    _ = machine.requestDrain()
    expectEqual(machine.silencePassed(), false)
    machine.endOfStreamAnnounced()
    expectEqual(
      machine.captureDequeued(isLast: false, isEmpty: false, nothingPending: false), false)
    expectEqual(machine.captureDequeued(isLast: false, isEmpty: false, nothingPending: true), true)
  }

  @Test func endOfStreamEventOutsideADrainMeansNothing() {
    var machine = streaming()
    machine.endOfStreamAnnounced()
    #expect(machine.state == .streaming)
  }

  @Test func brokenPipeEndsADrainOnly() {
    var machine = streaming()
    expectEqual(machine.endOfStreamReached(), false)
    _ = machine.requestDrain()
    expectEqual(machine.endOfStreamReached(), true)
  }

  @Test func encodingAfterADrainAsksForOneRestart() {
    var machine = streaming()
    _ = machine.requestDrain()
    expectEqual(machine.nextCommand(), .stop)
    machine.drained()
    expectEqual(machine.admit(), .restart)
    expectEqual(machine.admit(), .wait)
    expectEqual(machine.nextCommand(), .restart)
    machine.restarted()
    expectEqual(machine.admit(), .proceed)
    #expect(!machine.hasQueuedFrames)
  }

  @Test func secondDrainJoinsTheFirst() {
    var machine = streaming()
    expectEqual(machine.requestDrain(), true)
    expectEqual(machine.requestDrain(), true)
    expectEqual(machine.nextCommand(), .stop)
    expectEqual(machine.nextCommand(), nil)
  }

  @Test func firstFailureStays() {
    var machine = streaming()
    let first = EncoderError(.deviceLost, "first")
    machine.fail(first)
    machine.fail(EncoderError(.deviceStalled, "second"))
    expectEqual(machine.admit(), .refuse(first))
    #expect(machine.terminalError == first)
    expectEqual(machine.requestDrain(), false)
  }

  @Test("closing is not held up by a caller whose request hangs: the thread waits, for a while")
  func closeGivesTheCommandAtOnce() {
    var machine = streaming()
    machine.frameReserved()
    machine.close()
    expectEqual(machine.nextCommand(), .exit)
    #expect(machine.framesInTransit == 1)
    guard case .refuse(let error) = machine.admit() else {
      Issue.record("a closed machine admits frames")
      return
    }
    #expect(error.code == .closed)
  }

  @Test func aRestartWaitsForFramesInTransit() {
    var machine = streaming()
    _ = machine.requestDrain()
    _ = machine.nextCommand()
    machine.drained()
    machine.frameReserved()
    expectEqual(machine.admit(), .restart)
    expectEqual(machine.nextCommand(), nil)
    machine.frameSettled(queued: false)
    expectEqual(machine.nextCommand(), .restart)
  }
}
