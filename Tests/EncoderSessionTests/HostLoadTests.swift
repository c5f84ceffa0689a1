import Glibc
import TestSupport
import Testing

@testable import V4L2Encoder

/// What the system says of the process and the board.
@Suite(.timeLimit(.minutes(1))) struct HostLoadTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory(named: "v4l2enc-board") }

  /// Writes a file below the machine's root.
  private func put(_ text: String, _ path: String) throws {
    var parent = ""
    for part in path.split(separator: "/").dropLast() {
      parent += (parent.isEmpty ? "" : "/") + part
      mkdir(directory.file(parent), 0o755)
    }
    _ = try directory.write(Array(text.utf8), to: path)
  }

  private var load: HostLoad { Machine(root: directory.path).hostLoad }

  @Test func aBoardTellsItsState() throws {
    try put("Name:\tx\nVmRSS:\t   20480 kB\nThreads:\t7\n", "proc/self/status")
    for number in 0..<5 { try put("", "proc/self/fd/\(number)") }
    try put("41234\n", "sys/class/thermal/thermal_zone0/temp")
    try put("52875\n", "sys/class/thermal/thermal_zone1/temp")
    // Sensors that are off.
    try put("-274000\n", "sys/class/thermal/thermal_zone2/temp")
    try put("", "sys/class/thermal/thermal_zone3/temp")
    try put("thermal-cpufreq-0\n", "sys/class/thermal/cooling_device0/type")
    try put("0\n", "sys/class/thermal/cooling_device0/cur_state")
    try put("pwm-fan\n", "sys/class/thermal/cooling_device1/type")
    try put("3\n", "sys/class/thermal/cooling_device1/cur_state")
    try put("cpu_thermal\n", "sys/class/hwmon/hwmon0/name")
    try put("rpi_volt\n", "sys/class/hwmon/hwmon1/name")
    try put("0\n", "sys/class/hwmon/hwmon1/in0_lcrit_alarm")
    let cool = load
    #expect(cool.residentBytes == 20_480 * 1024 && cool.threads == 7)
    #expect(cool.openDescriptors == 5)
    #expect(cool.temperature == 52.875)
    #expect(cool.isThrottled == false && cool.isUnderVoltage == false)

    try put("2\n", "sys/class/thermal/cooling_device0/cur_state")
    try put("1\n", "sys/class/hwmon/hwmon1/in0_lcrit_alarm")
    #expect(load.isThrottled == true && load.isUnderVoltage == true)
  }

  @Test func whatTheSystemDoesNotTellIsNil() throws {
    try put("garbage", "proc/self/status")
    try put("VmRSS", "sys/class/thermal/thermal_zone0/temp")
    try put("pwm-fan\n", "sys/class/thermal/cooling_device1/type")
    try put("3\n", "sys/class/thermal/cooling_device1/cur_state")
    try put("rpi_volt\n", "sys/class/hwmon/hwmon1/name")
    let load = load
    #expect(load.residentBytes == nil && load.threads == nil && load.openDescriptors == nil)
    #expect(load.temperature == nil && load.isThrottled == nil && load.isUnderVoltage == nil)
    try put("VmRSS: 9223372036854775807 kB\n", "proc/self/status")
    #expect(self.load.residentBytes == nil)
  }

  @Test func thisProcessWorks() throws {
    let before = HostLoad.current
    #expect(before.residentBytes ?? 0 > 1 << 20)
    #expect(before.threads ?? 0 >= 1 && before.openDescriptors ?? 0 >= 3)
    #expect(before.processorShare(since: before) == nil)
    // Until the clock of the processor's time has moved.
    var value = 0
    while HostLoad.current.processorTime - before.processorTime < .milliseconds(20) { value += 1 }
    let share = try #require(HostLoad.current.processorShare(since: before))
    #expect(share > 0 && share < 1000, "\(share) after \(value)")
  }
}
