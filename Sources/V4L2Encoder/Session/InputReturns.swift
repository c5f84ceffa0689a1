/// Whether a device gives input buffers back together with packets, learned from its wake-ups.
///
/// A plain value without a clock. The kernel's memory-to-memory drivers return the two buffers of a
/// job one right after the other (`v4l2_m2m_buf_done_and_job_finish`, vicodec's `device_run`), and
/// poll often wakes between the two. Others copy frames, or keep some back, and return inputs long
/// before their packets.
package struct InputReturns: Hashable, Sendable {
  /// Packets in a row that came together with an input buffer, while both were asked for.
  private var together = 0
  private var longestStep = Duration.zero
  private var lastPacket: MonotonicTime?
  /// Since when an input buffer is back whose packet has not come.
  private var aloneSince: MonotonicTime?

  private static let proof = 8
  private static let patienceLimits = Duration.milliseconds(10)...Duration.seconds(1)

  package init() {}

  /// Whether asking for packets is enough to get the input buffers back.
  package var comeWithPackets: Bool { together >= Self.proof }

  /// How long a packet may take before inputs are asked for again.
  package var patience: Duration {
    min(max(longestStep * 2, Self.patienceLimits.lowerBound), Self.patienceLimits.upperBound)
  }

  /// What a wake-up of the device thread brought.
  package enum Sign: Hashable, Sendable {
    /// An input buffer and no packet.
    case inputAlone
    /// A packet, and an input buffer with it or not; `wereAwaited` says whether both were asked for.
    case packet(withInput: Bool, wereAwaited: Bool)
  }

  /// Learns from a wake-up.
  package mutating func note(_ sign: Sign, at now: MonotonicTime) {
    switch sign {
    case .inputAlone: aloneSince = aloneSince ?? now
    case .packet(let hasInput, let wereAwaited):
      if wereAwaited, !comeWithPackets, let lastPacket {
        let step = now - lastPacket
        let isTogether = aloneSince.map { (now - $0) * 4 <= step } ?? hasInput
        together = isTogether ? together + 1 : 0
        longestStep = isTogether ? max(longestStep, step) : .zero
      }
      lastPacket = now
      aloneSince = nil
    }
  }

  /// The device rests, so that the time to its next packet says nothing.
  package mutating func rests() {
    lastPacket = nil
    aloneSince = nil
  }

  /// A packet was late: what was learned may not be true any more.
  package mutating func packetIsLate() { self = InputReturns() }
}
