import Testing

@testable import V4L2Encoder

/// What is learned of how a device gives input buffers back.
@Suite struct InputReturnsTests {
  private func time(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  /// What is known after so many packets 20 ms apart, the input of each `lead` ms before it, or in
  /// the same wake-up.
  private func known(
    packets: Int = 12, lead: Int? = nil, withInput: Bool = true, wereAwaited: Bool = true
  ) -> InputReturns {
    var returns = InputReturns()
    for packet in 1...packets {
      if let lead { returns.note(.inputAlone, at: time(20 * packet - lead)) }
      returns.note(
        .packet(withInput: withInput && lead == nil, wereAwaited: wereAwaited),
        at: time(20 * packet))
    }
    return returns
  }

  @Test func nothingIsBelievedAtFirst() {
    #expect(!InputReturns().comeWithPackets)
    #expect(!known(packets: 8).comeWithPackets)
  }

  @Test(
    "inputs in the same wake-up, or a moment before, come with packets", arguments: [nil, 1, 5])
  func together(lead: Int?) {
    let returns = known(lead: lead)
    #expect(returns.comeWithPackets)
    #expect(returns.patience == .milliseconds(40))
  }

  @Test("inputs long before their packets do not come with them", arguments: [6, 19])
  func apart(lead: Int) { #expect(!known(lead: lead).comeWithPackets) }

  @Test("neither do inputs that come after the packet")
  func after() { #expect(!known(withInput: false).comeWithPackets) }

  @Test("what was not asked for proves nothing")
  func unasked() { #expect(!known(wereAwaited: false).comeWithPackets) }

  @Test("one input long before its packet undoes what was learned on the way")
  func relapse() {
    var returns = known(packets: 8)
    returns.note(.inputAlone, at: time(165))
    returns.note(.packet(withInput: false, wereAwaited: true), at: time(180))
    returns.note(.packet(withInput: true, wereAwaited: true), at: time(200))
    #expect(!returns.comeWithPackets)
  }

  @Test("a late packet makes everything be learned anew")
  func late() {
    var returns = known()
    returns.packetIsLate()
    #expect(returns == InputReturns())
  }

  @Test("a rest is no step between packets")
  func rest() {
    var returns = known(packets: 4)
    returns.rests()
    for packet in 1...8 {
      returns.note(.packet(withInput: true, wereAwaited: true), at: time(60_000 + 20 * packet))
    }
    #expect(returns.comeWithPackets)
    #expect(returns.patience == .milliseconds(40))
  }

  @Test("patience has limits", arguments: [(1, 10), (700, 1000)])
  func patience(step: Int, expected: Int) {
    var returns = InputReturns()
    for packet in 1...12 {
      returns.note(.packet(withInput: true, wereAwaited: true), at: time(step * packet))
    }
    #expect(returns.patience == .milliseconds(expected))
  }
}
