/// What this process and its board are doing; nil where the system does not tell.
public struct HostLoad: Hashable, Sendable {
  /// When it was read, on `CLOCK_MONOTONIC`.
  public var time = Duration.zero
  /// What all threads of the process have used of the processors since it was started
  /// (`CLOCK_PROCESS_CPUTIME_ID`).
  public var processorTime = Duration.zero
  /// Memory of the process that is in RAM, in bytes, from `VmRSS` of `/proc/self/status`.
  public var residentBytes: Int?
  /// Threads of the process, from `/proc/self/status`.
  public var threads: Int?
  /// Descriptors that the process has open, from `/proc/self/fd`.
  public var openDescriptors: Int?
  /// The hottest of `/sys/class/thermal/thermal_zone*`, in degrees Celsius.
  public var temperature: Double?
  /// Whether the kernel slows processors or other devices down to cool the board: the state of
  /// the cooling devices of `/sys/class/thermal` that belong to cpufreq and devfreq.
  ///
  /// What the firmware of a Raspberry Pi does by itself is not in it: its driver warns in the
  /// kernel's log whoever asks for that (`get_throttled_show` in `drivers/firmware/raspberrypi.c`
  /// of the Raspberry Pi kernel).
  public var isThrottled: Bool?
  /// Whether the supply of a Raspberry Pi was too weak in the last seconds, from `in0_lcrit_alarm`
  /// of the driver `raspberrypi-hwmon`.
  public var isUnderVoltage: Bool?

  /// Creates a load of nothing.
  public init() {}

  /// Reads it now: a few small files, too much for every frame.
  public static var current: HostLoad { Machine.current.hostLoad }

  /// The share of one processor that the process used since an earlier moment: 1 is all of it, more
  /// means several; nil when no time has passed.
  public func processorShare(since earlier: HostLoad) -> Double? {
    let elapsed = (time - earlier.time).inNanoseconds
    guard elapsed > 0 else { return nil }
    return Double((processorTime - earlier.processorTime).inNanoseconds) / Double(elapsed)
  }
}
