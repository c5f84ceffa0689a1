internal import Glibc

/// What the kernel's files say of the process and the board.
extension Machine {
  package var hostLoad: HostLoad {
    var load = HostLoad()
    load.time = .nanoseconds(MonotonicTime.now.nanoseconds)
    load.processorTime = Self.processorTime
    let status = lines(of: "/proc/self/status")
    load.residentBytes = Self.number(of: "VmRSS:", in: status).flatMap {
      let (bytes, overflows) = $0.multipliedReportingOverflow(by: 1024)
      return overflows ? nil : bytes
    }
    load.threads = Self.number(of: "Threads:", in: status)
    load.openDescriptors = openDescriptors
    load.temperature = temperature
    load.isThrottled = isThrottled
    load.isUnderVoltage = isUnderVoltage
    return load
  }

  private static var processorTime: Duration {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return .zero }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  private var openDescriptors: Int? {
    let count = SmallFile.entries(of: root + "/proc/self/fd").count { Int($0) != nil }
    // Reading the process's own directory opens it.
    let own = root.isEmpty ? 1 : 0
    return count > own ? count - own : nil
  }

  /// Sensors that are switched off or broken answer with an error or with the lowest number.
  private var temperature: Double? {
    parts("thermal_zone", of: "/sys/class/thermal").compactMap { zone -> Double? in
      guard let thousandths = number("\(zone)/temp"), (-50_000...200_000).contains(thousandths)
      else { return nil }
      return Double(thousandths) / 1000
    }.max()
  }

  /// The types are those of `drivers/thermal/cpufreq_cooling.c` and `devfreq_cooling.c`, before and
  /// since Linux 5.12; a fan that turns slows nothing down.
  private var isThrottled: Bool? {
    let names = ["thermal-cpufreq-", "thermal-devfreq-", "cpufreq-", "devfreq-"]
    let states = parts("cooling_device", of: "/sys/class/thermal").compactMap { device -> Int? in
      guard let type = lines(of: "\(device)/type").first,
        names.contains(where: { type.hasPrefix($0) })
      else { return nil }
      return number("\(device)/cur_state")
    }
    return states.isEmpty ? nil : states.contains { $0 > 0 }
  }

  /// `rpi_volt` is what `drivers/hwmon/raspberrypi-hwmon.c` calls itself.
  private var isUnderVoltage: Bool? {
    let monitor = parts("hwmon", of: "/sys/class/hwmon").first {
      lines(of: "\($0)/name").first == "rpi_volt"
    }
    return monitor.flatMap { number("\($0)/in0_lcrit_alarm") }.map { $0 != 0 }
  }

  /// The paths in a directory whose names begin like this.
  private func parts(_ prefix: String, of directory: String) -> [String] {
    SmallFile.entries(of: root + directory).filter { $0.hasPrefix(prefix) }.sorted().map {
      "\(directory)/\($0)"
    }
  }

  private func lines(of path: String) -> [Substring] {
    String(decoding: SmallFile.bytes(root + path), as: UTF8.self).split(separator: "\n")
  }

  private func number(_ path: String) -> Int? { lines(of: path).first.flatMap { Int($0) } }

  /// The number behind a name, as in `VmRSS:     1234 kB`.
  private static func number(of name: String, in lines: [Substring]) -> Int? {
    guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
    let words = line.dropFirst(name.utf8.count).split { $0 == " " || $0 == "\t" }
    return words.first.flatMap { Int($0) }
  }
}
