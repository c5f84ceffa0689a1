internal import Glibc
internal import V4L2Encoder

/// What the kernel logs from now on, where it may be read (`/dev/kmsg`, see
/// `Documentation/ABI/testing/dev-kmsg`).
final class KernelLog: Sendable {
  /// What a line tells of.
  enum Gravity: Hashable {
    /// A defect of the kernel: a crash, a failed assertion, a task that hangs.
    case defect
    case error
    case other
  }

  private let file: OpenFile

  /// Nil where it may not be read, as for users without CAP_SYSLOG.
  init?(root: String) {
    let descriptor = unsafe open(root + "/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    file = OpenFile(descriptor)
    guard lseek(descriptor, 0, SEEK_END) >= 0 else { return nil }
  }

  /// The lines since the last call that tell of an error or a defect.
  func newLines() -> [(Gravity, String)] {
    var lines: [(Gravity, String)] = []
    // A record per read; the bound keeps a kernel that logs all the time from holding us here.
    for _ in 0..<10_000 {
      let room = 8192
      var count = 0
      let descriptor = file.descriptor
      let record = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
        count = unsafe read(descriptor, buffer.baseAddress, room)
        filled = max(0, count)
      }
      // EPIPE: records were overwritten before they were read; the next read goes on behind them.
      if count < 0, [EPIPE, EINTR].contains(Errno.last.rawValue) { continue }
      guard count > 0 else { return lines }
      for text in String(decoding: record, as: UTF8.self).split(separator: "\n") {
        guard let (gravity, message) = Self.parse(text), gravity != .other else { continue }
        lines.append((gravity, message))
      }
    }
    return lines
  }

  /// Reads `priority,sequence,microseconds,flags;message`.
  static func parse(_ record: Substring) -> (Gravity, String)? {
    // Lines that begin with a space say more about the record before.
    guard !record.hasPrefix(" "), let separator = record.firstIndex(of: ";"),
      let priority = record[..<separator].split(separator: ",").first.flatMap({ Int($0) })
    else { return nil }
    let message = String(record[record.index(after: separator)...])
    // The facility is above the lowest three bits; 0 is the kernel itself.
    guard priority >> 3 == 0 else { return (.other, message) }
    let signs = [
      "------------[ cut here ]------------", "BUG:", "Oops", "Call Trace:",
      // That of arm64 (arch/arm64/kernel/traps.c).
      "Call trace:", "WARNING: CPU", "blocked for more than", "Internal error:",
      "Unable to handle kernel", "rcu_sched",
      // Preemptible kernels name another flavour of RCU (kernel/rcu/tree_stall.h).
      "detected stalls on CPUs", "detected expedited stalls", "self-detected stall", "soft lockup",
      "Out of memory:",
    ]
    if priority & 7 <= 2 || signs.contains(where: { message.contains($0) }) {
      return (.defect, message)
    }
    return (priority & 7 == 3 ? .error : .other, message)
  }
}
