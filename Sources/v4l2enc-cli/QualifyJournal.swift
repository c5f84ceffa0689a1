internal import Glibc
internal import V4L2Encoder

/// The file of `--journal`: what is about to be tried is on the disk before it begins.
final class QualifyJournal: Sendable {
  /// One line.
  private struct Line: JSONRecord {
    /// `begin` or `end`.
    var event = ""
    /// Seconds since 1970.
    var time = 0
    /// The kernel's number of this boot.
    var boot = ""
    var kernel = ""
    var version = ""
    var setting = QualifySetting()
    var limits = QualifyLimits()
    /// Only at the end of a step.
    var outcome: QualifyOutcome?

    mutating func exchange(_ fields: inout JSONFields) throws(JSONFailure) {
      try fields("event", &event)
      try fields("time", &time)
      try fields("boot", &boot)
      try fields("kernel", &kernel)
      try fields("version", &version)
      try fields("setting", &setting)
      try fields("limits", &limits)
      try fields("outcome", &outcome)
    }
  }

  /// What the journal knows of a step.
  struct Entry: Sendable {
    var setting: QualifySetting
    var outcome: QualifyOutcome
    /// Whether it began and did not end.
    var isCrash: Bool
    /// Whether kernel, command and limits were the same as now, and as much was seen.
    var isCurrent: Bool
  }

  /// What it knew when it was opened; the last word on each setting.
  let entries: [Entry]
  private let file: OpenFile
  private let path: String
  private let host: QualifyHost
  private let limits: QualifyLimits
  /// What has begun and not ended.
  private let current = Locked(QualifySetting?.none)

  /// Opens or creates a journal, and keeps others out of it.
  init(_ path: String, host: QualifyHost, _ limits: QualifyLimits) throws(CommandError) {
    self.path = path
    self.host = host
    self.limits = limits
    let mode: mode_t = 0o666
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode)
    guard descriptor >= 0 else {
      let errno = Errno.last
      throw CommandError(
        errno.isPermission ? .noPermission : .cannotCreate,
        "--journal \(path): \(errno.text); name a file that can be written")
    }
    file = OpenFile(descriptor)
    guard file.isRegular else {
      throw CommandError(.usage, "--journal \(path): a journal is a file on a disk")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw CommandError(
        .cannotCreate, "--journal \(path): another v4l2enc qualify uses it; wait, or name another")
    }
    var reader = LineReader(file, name: path)
    entries = try Self.entries(&reader, path, host, limits)
    // A line that a crash cut off never was on the disk as a whole, so its step had not begun.
    _ = ftruncate(descriptor, off_t(reader.wholeBytes))
    _ = lseek(descriptor, 0, SEEK_END)
    Self.syncDirectory(of: path)
  }

  /// Says what is about to be tried; it is on the disk when this returns.
  func begin(_ setting: QualifySetting) throws(CommandError) {
    try current.withLock { current throws(CommandError) in
      let end = lseek(file.descriptor, 0, SEEK_CUR)
      do throws(CommandError) { try write(line("begin", setting, nil)) } catch {
        // What is not tried must not look like a crash to the next start.
        _ = ftruncate(file.descriptor, end)
        _ = lseek(file.descriptor, end, SEEK_SET)
        throw error
      }
      current = setting
    }
  }

  /// Says what became of it.
  func end(_ setting: QualifySetting, _ outcome: QualifyOutcome) throws(CommandError) {
    try current.withLock { current throws(CommandError) in
      // A stop was written down already.
      guard current != nil || outcome.verdict != .untested else { return }
      current = nil
      try write(line("end", setting, outcome))
    }
  }

  /// Says that what has begun is stopped, before its end: there may be none.
  func noteStop() {
    current.withLock { current in
      guard let setting = current else { return }
      // There is nobody to tell of a failure.
      try? write(line("end", setting, QualifyOutcome(.untested, "stopped")))
      current = nil
    }
  }

  private func line(
    _ event: String, _ setting: QualifySetting, _ outcome: QualifyOutcome?
  ) -> Line {
    var line = Line()
    line.event = event
    line.time = time(nil)
    line.boot = host.boot
    line.kernel = host.kernel
    line.version = V4L2EncCommand.version
    line.setting = setting
    line.limits = limits
    line.outcome = outcome
    return line
  }

  private func write(_ line: Line) throws(CommandError) {
    let bytes = Array((line.json.text + "\n").utf8)
    if let failure = OutputDescriptor.writeAll(bytes, to: file.descriptor) {
      throw OutputFile.error(failure, writing: path)
    }
    guard fsync(file.descriptor) == 0 else { throw OutputFile.error(.last, writing: path) }
  }

  /// Without it a file that was just created may be gone after a crash.
  private static func syncDirectory(of path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: true).dropLast()
    let parent = (path.hasPrefix("/") ? "/" : "./") + parts.joined(separator: "/")
    let descriptor = unsafe open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = fsync(descriptor)
    _ = close(descriptor)
  }

  private static func entries(
    _ reader: inout LineReader, _ path: String, _ host: QualifyHost, _ limits: QualifyLimits
  ) throws(CommandError) -> [Entry] {
    var entries: [Entry] = []
    /// What has begun and not ended so far.
    var begun: [Entry] = []
    func keep(_ entry: Entry) {
      entries.removeAll { $0.setting.isSame(as: entry.setting) }
      entries.append(entry)
    }
    while let text = try reader.next() {
      guard text.isWhole else {
        guard isCutOff(text.text) else {
          throw CommandError(
            .badData, "--journal \(path) is no journal of qualify; name another file")
        }
        break
      }
      let line: Line
      do throws(JSONFailure) { line = try Line(json: try JSON(parsing: text.text)) } catch {
        throw CommandError(
          .badData,
          "--journal \(path): line \(text.number) is not one of qualify: \(error.ofOneLine); name "
            + "another file")
      }
      let isCurrent =
        line.kernel == host.kernel && line.version == V4L2EncCommand.version
        && line.limits == limits && sawAsMuch(line.outcome, host)
      switch (line.event, line.outcome) {
      case ("begin", _):
        // It began before and did not end.
        begun.filter { $0.setting.isSame(as: line.setting) }.forEach(keep)
        begun.removeAll { $0.setting.isSame(as: line.setting) }
        let what = line.boot == host.boot ? "the command was killed" : "the machine went down"
        begun.append(
          Entry(
            setting: line.setting,
            outcome: QualifyOutcome(
              .unstable, "\(what) during it, \(Units.date(line.time)), kernel \(line.kernel)"),
            isCrash: true, isCurrent: isCurrent))
      case ("end", let outcome?):
        begun.removeAll { $0.setting.isSame(as: line.setting) }
        // What could not be tried again takes nothing from what was known.
        guard outcome.verdict != .untested else { continue }
        keep(
          Entry(setting: line.setting, outcome: outcome, isCrash: false, isCurrent: isCurrent))
      default:
        throw CommandError(
          .badData,
          "--journal \(path): line \(text.number) is not one of qualify; name another file")
      }
    }
    begun.forEach(keep)
    return entries
  }

  /// Whether nothing stays unseen in it that would be seen now.
  private static func sawAsMuch(_ outcome: QualifyOutcome?, _ host: QualifyHost) -> Bool {
    guard let outcome, outcome.verdict == .stable, host.readsKernelLog else { return true }
    return outcome.measures?.kernelLogWasRead == true
  }

  /// Whether the rest of a file is what a crash leaves of a line.
  private static func isCutOff(_ rest: String) -> Bool {
    let start = #"{"event":""#
    return rest.hasPrefix(start) || start.hasPrefix(rest) || rest.utf8.allSatisfy { $0 == 0 }
  }
}

/// The running system, as far as it decides whether what a journal knows still holds.
struct QualifyHost: Hashable, Sendable {
  /// The release of the kernel.
  var kernel: String
  /// The kernel's number of this boot.
  var boot: String
  /// Whether the kernel's log may be read.
  var readsKernelLog: Bool

  /// This machine.
  static var current: QualifyHost {
    var name = utsname()
    _ = unsafe uname(&name)
    let release = unsafe withUnsafeBytes(of: &name.release) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return QualifyHost(
      kernel: release, boot: boot ?? "",
      readsKernelLog: KernelLog(root: Machine.current.root) != nil)
  }

  private static var boot: String? {
    do throws(CommandError) {
      var reader = try LineReader("/proc/sys/kernel/random/boot_id")
      return try reader.next()?.text
    } catch {
      // Without it every crash counts as one of the machine.
      return nil
    }
  }
}
