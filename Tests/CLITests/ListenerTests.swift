import Testing

@testable import V4L2Encoder
@testable import v4l2enc_cli

/// What is to be done when something happens, and what is not any more.
@Suite struct ListenerTests {
  @Test("a run that has ended leaves nothing behind for a stop or a recovery")
  func forgotten() throws {
    let calls = Locked<[String]>([])
    func note(_ what: String) -> Listeners.Action { { calls.withLock { $0.append(what) } } }
    let stop = try StopRequest()
    let events = EncodeEvents(Console(verbosity: .quiet, progress: false))
    stop.whenRaised(note("first"))
    let ended = stop.whenRaised(note("ended"))
    stop.whenRaised(note("last"))
    let lost = events.whenRecovering(note("lost"))
    _ = events.whenRecovering(note("looked for"))
    stop.forget(ended)
    events.forget(lost)
    events.take(.recovering(from: EncoderError(.deviceLost, "gone")))
    stop.raise()
    stop.raise()
    #expect(calls.withLock { $0 } == ["looked for", "first", "last"])
    #expect(stop.whenRaised(note("late")) == nil)
    #expect(calls.withLock { $0.last } == "late")
  }
}
