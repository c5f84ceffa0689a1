/// Turns a congestion controller's targets into few changes of an encoder's bitrate.
///
/// A congestion controller says many times a second what the network carries. An encoder should not
/// follow every word: its rate control needs some pictures to settle, and some drivers must be
/// drained and started again for each change, with a key frame. So the bitrate falls soon and as
/// far as it is told, because what the network does not carry waits in queues or is lost, and rises
/// late and in steps, because a rise that was a mistake costs another cut.
///
/// A plain value without a clock of its own: give it targets and times, and do what it says.
public struct RateAdaptation: Hashable, Sendable {
  /// When a difference is worth a change.
  public struct Tuning: Hashable, Sendable {
    /// The smallest cut, as a share of the bitrate: 0.05.
    ///
    /// Rate controllers of hardware miss their target by about as much.
    public var smallestCut = 0.05
    /// From one change to a small cut: 300 ms, some ten pictures.
    public var cutInterval = Duration.milliseconds(300)
    /// From this share on, 0.3, a cut is urgent: every picture at the old bitrate makes it worse.
    public var urgentCut = 0.3
    /// From one change to an urgent cut: 100 ms, within which several targets are one piece of
    /// news.
    public var urgentCutInterval = Duration.milliseconds(100)
    /// The smallest rise: 0.1.
    ///
    /// Larger than the smallest cut, so that targets which swing by a few percent around the
    /// bitrate change nothing. The upper bound is reached whatever is missing.
    public var smallestRise = 0.1
    /// The largest rise: 0.15, about twice what Google's congestion control adds in a second when
    /// it probes (8 %, draft-ietf-rmcat-gcc-02, 5.5), so that the encoder does not hold it back.
    public var largestRise = 0.15
    /// How long all targets must allow a rise, counted from the last change: 1 s.
    public var riseDelay = Duration.seconds(1)
    /// From this share on, 0.5, several cuts in a row being one, a key frame is worth its bits:
    /// packets were lost, most likely, and decoders wait for one.
    public var keyFrameCut = 0.5
    /// From one such key frame to the next: 3 s, since it is the largest of all pictures.
    public var keyFrameInterval = Duration.seconds(3)

    /// Creates the values that the properties name.
    public init() {}
  }

  /// What to do now.
  public struct Step: Hashable, Sendable {
    /// The bitrate to set, in bit/s.
    public let bitrate: Int
    /// Whether to make the next frame a key frame.
    public let wantsKeyFrame: Bool
  }

  /// The bitrate in force, in bit/s.
  public private(set) var bitrate: Int
  /// The bitrates that may be set, in bit/s.
  public private(set) var bounds: ClosedRange<Int>
  /// When a difference is worth a change.
  public let tuning: Tuning

  /// What was asked for when the driver set `bitrate`; asking for less of a change is in vain.
  private var asked: Int
  /// The bitrate before the last step.
  private var previous: Int
  /// The driver's step is no coarser than the smallest change that it made.
  private var coarsestStep = Int.max

  private var time = Duration.zero
  private var lastChange: Duration?
  private var lastKeyFrame: Duration?
  /// The bitrate before the cuts since the last rise or key frame.
  private var bitrateBeforeCuts: Int
  /// Since when all targets allow a rise, and the lowest of them.
  private var rise: Rise?

  private struct Rise: Hashable {
    var since: Duration
    var lowestTarget: Int
  }

  /// Starts with the bitrate that the encoder was opened with.
  ///
  /// - Parameters:
  ///   - bitrate: the bitrate in force, in bit/s.
  ///   - bounds: the bitrates that may be set, in bit/s; below the lower one a picture is no use.
  ///   - tuning: when a difference is worth a change.
  public init(from bitrate: Int, within bounds: ClosedRange<Int>, tuning: Tuning = Tuning()) {
    self.bitrate = bitrate
    self.bounds = bounds
    self.tuning = tuning
    asked = bitrate
    previous = bitrate
    bitrateBeforeCuts = bitrate
  }

  /// Takes a target, and says what to change now; nil when nothing.
  ///
  /// - Parameters:
  ///   - target: what the network carries for this stream, in bit/s.
  ///   - time: the time since any moment that stays the same, on a clock that does not go back.
  /// - Returns: the bitrate to set, which counts as set from now on.
  public mutating func step(target: Int, at time: Duration) -> Step? {
    self.time = max(self.time, time)
    let goal = min(max(target, bounds.lowerBound), bounds.upperBound)
    if goal < bitrate {
      rise = nil
      return isCutDue(to: goal) ? cut(to: goal) : nil
    }
    guard isWorthRising(to: goal) else {
      rise = nil
      return nil
    }
    return riseIfDue(towards: goal)
  }

  /// Learns what the driver made of a step.
  ///
  /// What is left of a change may be a rounding to the step of the driver's control, and is not
  /// asked for again by itself: a rise goes further the next time, a cut waits for a lower target.
  /// More than the smallest cut, and more than such a step can be, means that a rise or a cut has
  /// met the driver's own bound, beyond which nothing is asked any more.
  ///
  /// - Parameters:
  ///   - actual: the bitrate in force, in bit/s.
  ///   - asked: the bitrate that was asked for.
  public mutating func driverSet(_ actual: Int, insteadOf asked: Int) {
    let isRise = asked > previous
    learnStep(from: previous, to: actual, asked: asked)
    previous = actual
    bitrate = actual
    self.asked = asked
    guard isRise ? actual < asked : actual > asked, isMoreThanRounding(actual, asked) else {
      return
    }
    bounds =
      isRise
      ? min(bounds.lowerBound, actual)...actual
      : actual...max(bounds.upperBound, actual)
  }

  /// Learns that the driver changes no bitrate while it encodes; no step comes any more.
  public mutating func driverKeeps(_ actual: Int) {
    bitrate = actual
    asked = actual
    previous = actual
    bounds = actual...actual
  }

  /// Notes a step as taken in full, until ``driverSet(_:insteadOf:)`` says otherwise.
  private mutating func set(_ goal: Int) {
    // The last one was, or `previous` would be the same by now.
    learnStep(from: previous, to: bitrate, asked: bitrate)
    previous = bitrate
    bitrate = goal
    asked = goal
    lastChange = time
  }

  private mutating func learnStep(from old: Int, to new: Int, asked: Int) {
    // What went the other way says nothing of a step.
    guard new != old, (new > old) == (asked > old) else { return }
    coarsestStep = min(coarsestStep, abs(new - old))
  }

  /// Whether no step explains the difference, the values being whole multiples of one.
  private func isMoreThanRounding(_ actual: Int, _ asked: Int) -> Bool {
    let difference = Double(abs(actual - asked))
    guard difference > Double(asked) * tuning.smallestCut else { return false }
    return difference >= Double(min(coarsestStep, min(actual, asked)))
  }

  private func isCutDue(to goal: Int) -> Bool {
    guard goal < asked || asked >= bitrate else { return false }
    let share = 1 - Double(goal) / Double(bitrate)
    if share >= tuning.urgentCut { return hasPassed(tuning.urgentCutInterval) }
    return (share >= tuning.smallestCut || goal == bounds.lowerBound)
      && hasPassed(tuning.cutInterval)
  }

  private mutating func cut(to goal: Int) -> Step {
    set(goal)
    let isLarge = Double(goal) <= Double(bitrateBeforeCuts) * (1 - tuning.keyFrameCut)
    let mayAsk = lastKeyFrame.map { time - $0 >= tuning.keyFrameInterval } ?? true
    guard isLarge, mayAsk else { return Step(bitrate: goal, wantsKeyFrame: false) }
    lastKeyFrame = time
    bitrateBeforeCuts = goal
    return Step(bitrate: goal, wantsKeyFrame: true)
  }

  private func isWorthRising(to goal: Int) -> Bool {
    guard goal > bitrate, goal > asked else { return false }
    return goal == bounds.upperBound
      || Double(goal) >= Double(bitrate) * (1 + tuning.smallestRise)
  }

  private mutating func riseIfDue(towards goal: Int) -> Step? {
    let began = rise ?? Rise(since: time, lowestTarget: goal)
    let now = Rise(since: began.since, lowestTarget: min(began.lowestTarget, goal))
    rise = now
    guard time - now.since >= tuning.riseDelay else { return nil }
    set(min(now.lowestTarget, highestRise))
    bitrateBeforeCuts = bitrate
    rise = Rise(since: time, lowestTarget: goal)
    return Step(bitrate: bitrate, wantsKeyFrame: false)
  }

  /// How far one step may rise: twice as far as the last one when the driver rounded it away.
  private var highestRise: Int {
    let usual = Int((Double(bitrate) * (1 + tuning.largestRise)).rounded(.up))
    return max(usual, bitrate + 2 * (asked - bitrate))
  }

  private func hasPassed(_ interval: Duration) -> Bool {
    lastChange.map { time - $0 >= interval } ?? true
  }
}
