import CV4L2
import Glibc
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// One thing that goes wrong at one place, and what must come of it.
struct FaultCase: Sendable, CustomTestStringConvertible {
  /// What an app sees.
  enum Outcome: Hashable, Sendable {
    /// Nothing but skipped frames or spoiled packets.
    case goesOn
    case refusesOpening(EncoderError.Code)
    /// Some frames are refused, and the encoder can still be used.
    case refusesFrames(EncoderError.Code)
    case failsSession(EncoderError.Code)

    /// Whether a deadline has to pass first.
    var needsPatience: Bool {
      self == .refusesOpening(.deviceStalled) || self == .failsSession(.deviceStalled)
    }
  }

  let testDescription: String
  let fault: VirtualDevice.Fault
  let outcome: Outcome

  static let all = requests + damages

  private typealias Request = VirtualDevice.Fault.Request

  private init(_ name: String, _ fault: VirtualDevice.Fault, _ outcome: Outcome) {
    testDescription = name
    self.fault = fault
    self.outcome = outcome
  }

  /// A request that fails in every way, from one of its kind on.
  ///
  /// - Parameters:
  ///   - request: the request.
  ///   - index: how many are answered well before.
  ///   - moment: when the next one comes.
  ///   - lost: what EIO and ENODEV do.
  ///   - stalled: what no answer for ever does.
  ///   - again: what EAGAIN for a while does.
  ///   - againForEver: what EAGAIN for ever does.
  ///   - interrupted: what EINTR for ever does, if not what a hanging request does.
  /// - Returns: one case for each way.
  private static func row(
    _ request: Request, at index: Int = 0, _ moment: String, lost: Outcome, stalled: Outcome,
    again: Outcome, againForEver: Outcome? = nil, interrupted: Outcome? = nil
  ) -> [FaultCase] {
    func failing(_ error: Int32, _ times: Int = .max) -> VirtualDevice.Fault {
      .failing(request, with: Errno(rawValue: error), at: index, times: times)
    }
    let name = "\(request) \(moment)"
    return [
      FaultCase("\(name): EIO", failing(EIO), lost),
      FaultCase("\(name): ENODEV", failing(ENODEV), lost),
      FaultCase("\(name): a storm of EINTR", failing(EINTR, 200), .goesOn),
      FaultCase("\(name): EINTR for ever", failing(EINTR), interrupted ?? stalled),
      FaultCase("\(name): a flood of EAGAIN", failing(EAGAIN, 200), again),
      FaultCase("\(name): EAGAIN for ever", failing(EAGAIN), againForEver ?? again),
      FaultCase("\(name): no answer", .hanging(request, at: index), stalled),
    ]
  }

  private static let requests: [FaultCase] = {
    let atOpening: [Request] = [
      .open, .setFormat, .requestBuffers, .queuePacketBuffer, .startStreaming,
    ]
    let fails = Outcome.failsSession
    let opening = atOpening.flatMap {
      row(
        $0, "at opening", lost: .refusesOpening(.deviceLost),
        stalled: .refusesOpening(.deviceStalled), again: .refusesOpening(.deviceBusy))
    }
    // What a driver says of its controls decides nothing but the report.
    let controls = row(
      .setControl, "at opening", lost: .goesOn, stalled: .refusesOpening(.deviceStalled),
      again: .goesOn)
    let frames = row(
      .queueFrame, at: 2, "running", lost: fails(.deviceLost), stalled: fails(.deviceStalled),
      again: .refusesFrames(.deviceBusy), interrupted: .refusesFrames(.deviceStalled))
    let firstFrame = [
      FaultCase("the first queueFrame: no answer", .hanging(.queueFrame), fails(.deviceStalled))
    ]
    // Four are queued when the encoder is opened.
    let packets = row(
      .queuePacketBuffer, at: 6, "running", lost: fails(.deviceLost),
      stalled: fails(.deviceStalled), again: fails(.deviceBusy))
    let dequeuing = [Request.dequeueFrame, .dequeuePacket].flatMap {
      row(
        $0, at: 2, "running", lost: fails(.deviceLost), stalled: fails(.deviceStalled),
        again: .goesOn, againForEver: fails(.deviceStalled))
    }
    let drain = row(
      .command, "at a drain", lost: fails(.deviceLost), stalled: fails(.deviceStalled),
      again: fails(.deviceBusy))
    let restart =
      row(
        .stopStreaming, "at the restart", lost: fails(.deviceLost),
        stalled: fails(.deviceStalled), again: fails(.deviceBusy))
      + row(
        .startStreaming, at: 2, "at the restart", lost: fails(.deviceLost),
        stalled: fails(.deviceStalled), again: fails(.deviceBusy))
    // Closing gives up what it can and tells nobody: there is nothing to be done about it.
    let closing = row(
      .stopStreaming, at: 2, "at closing", lost: .goesOn, stalled: .goesOn, again: .goesOn)
    return opening + controls + frames + firstFrame + packets + dequeuing + drain + restart
      + closing
  }()

  private static let damages: [FaultCase] = [
    FaultCase("ERROR flags", .spoiling(.erroneous, frame: 3, times: 2), .goesOn),
    FaultCase("nothing but ERROR flags", .spoiling(.erroneous, times: .max), .goesOn),
    FaultCase("empty buffers", .spoiling(.empty, frame: 3, times: 2), .goesOn),
    FaultCase("nothing but empty buffers", .spoiling(.empty, times: .max), .goesOn),
    FaultCase("skipped frames", .spoiling(.skipped, frame: 3, times: 2), .goesOn),
    FaultCase("nothing but skipped frames", .spoiling(.skipped, times: .max), .goesOn),
    FaultCase("lost buffers", .spoiling(.lost, frame: 3, times: 2), .goesOn),
    FaultCase(
      "all buffers lost", .spoiling(.lost, frame: 3, times: .max), .failsSession(.deviceStalled)),
    FaultCase(
      "a frame without an end", .spoiling(.stuck, frame: 3), .failsSession(.deviceStalled)),
  ]
}
