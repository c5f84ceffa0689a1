/// Gives a device that cannot keep up fewer frames, evenly, instead of leaving out some by chance.
///
/// Overruns (frames for which there is no room) come in bursts, and what is lost to them makes a
/// picture that jerks. After some of them only every second frame is let through, then every third,
/// and so on. When there was no overrun for a while, one step is taken back; if that was a mistake,
/// the next attempt comes later.
///
/// A plain value without a clock of its own: ``EncoderConfiguration/rateReduction`` lets an encoder
/// do what it says.
public struct FrameRateReduction: Hashable, Sendable {
  /// When the rate changes.
  public struct Tuning: Hashable, Sendable {
    /// The most frames of which one is let through: 4.
    public var largestDivisor = 4
    /// How many overruns within `window` lower the rate: 3; a single one may be the system's fault.
    public var overruns = 3
    /// The time in which overruns are counted together: 1 s.
    public var window = Duration.seconds(1)
    /// From one step down to the next: 300 ms, so that the effect of the first shows.
    public var settling = Duration.milliseconds(300)
    /// How long there must be no overrun before a step back: 3 s.
    public var recovery = Duration.seconds(3)
    /// The longest such time, after steps back that were mistakes, each of which doubles it: 60 s.
    public var longestRecovery = Duration.seconds(60)

    /// Creates the values that the properties name.
    public init() {}
  }

  /// What to do with a frame.
  public struct Decision: Hashable, Sendable {
    /// Whether to encode the frame.
    public let isLetThrough: Bool
    /// The divisor, if it changed.
    public let newDivisor: Int?
  }

  /// Of how many frames one is let through; 1 for all of them.
  public private(set) var divisor = 1
  /// When the rate changes.
  public let tuning: Tuning

  private var time = Duration.zero
  /// Frames since the last one that was let through.
  private var passed = 0
  private var recovery: Duration
  private var lastChange: Duration?
  private var lastOverrun: Duration?
  private var wasRaised = false
  private var windowStart = Duration.zero
  private var overrunsInWindow = 0

  /// Starts with every frame.
  public init(_ tuning: Tuning = Tuning()) {
    self.tuning = tuning
    recovery = tuning.recovery
  }

  /// Takes a frame, and says whether to encode it.
  ///
  /// - Parameter time: the time since any moment that stays the same, on a clock that does not go
  ///   back.
  /// - Returns: what to do with the frame.
  public mutating func frame(at time: Duration) -> Decision {
    self.time = max(self.time, time)
    let change = recover()
    passed += 1
    guard passed >= divisor else { return Decision(isLetThrough: false, newDivisor: change) }
    passed = 0
    return Decision(isLetThrough: true, newDivisor: change)
  }

  /// Learns that there was no room for a frame that was let through.
  ///
  /// - Parameter time: as in ``frame(at:)``.
  /// - Returns: the divisor, if it changed.
  public mutating func overrun(at time: Duration) -> Int? {
    self.time = max(self.time, time)
    if self.time - windowStart > tuning.window {
      windowStart = self.time
      overrunsInWindow = 0
    }
    overrunsInWindow += 1
    lastOverrun = self.time
    let hasSettled = lastChange.map { self.time - $0 >= tuning.settling } ?? true
    guard overrunsInWindow >= tuning.overruns, hasSettled, divisor < tuning.largestDivisor else {
      return nil
    }
    if wasRaised { recovery = min(recovery * 2, tuning.longestRecovery) }
    wasRaised = false
    return change(to: divisor + 1)
  }

  private mutating func recover() -> Int? {
    let quietSince = max(lastOverrun ?? .zero, lastChange ?? .zero)
    guard time - quietSince >= recovery else { return nil }
    // The last step back has proved right.
    if wasRaised { recovery = tuning.recovery }
    guard divisor > 1 else {
      wasRaised = false
      return nil
    }
    wasRaised = true
    return change(to: divisor - 1)
  }

  private mutating func change(to divisor: Int) -> Int {
    self.divisor = divisor
    lastChange = time
    overrunsInWindow = 0
    windowStart = time
    return divisor
  }
}
