internal import Glibc
internal import V4L2Encoder

/// The file of `--progress`: blocks of lines `key=value`, as FFmpeg's option of that name writes
/// them, so that programs which watch FFmpeg can watch this one.
final class ProgressReport: Sendable {
  let file: LineFile
  private let timeBase: Rational
  private let follower: StatisticsFollower

  /// Opens the file without touching what an existing one holds; `-` is standard output.
  init(_ path: String, every period: Duration, timeBase: Rational) throws(CommandError) {
    file =
      path == "-"
      ? try LineFile.standardOutput(for: "--progress") : try LineFile(path, flushSize: 0)
    self.timeBase = timeBase
    do throws(CommandError) {
      follower = try StatisticsFollower(every: period)
    } catch {
      file.removeIfUnused()
      throw error
    }
  }

  /// How long the end waits for a reader who takes nothing.
  private static let patience = Duration.seconds(3)

  /// Writes a block in every period until the task is ended.
  func follow(_ encoder: any VideoEncoder, _ tally: EncodeTally) -> Task<Void, Never> {
    file.limitWaiting(to: nil)
    return follower.follow(encoder) {
      self.write(tally, missing: $0.framesSkipped + $0.framesDropped.total, "continue")
    }
  }

  /// Ends what `follow` started.
  func end(_ following: Task<Void, Never>) async {
    following.cancel()
    file.limitWaiting(to: Self.patience)
    await following.value
  }

  /// Writes the last block; the first failure, if there was one.
  ///
  /// Nothing that `follow` started may run any more.
  func finish(_ tally: EncodeTally) -> CommandError? {
    write(tally, missing: 0, "end")
    follower.stop()
    return file.finish()
  }

  /// Writes a block; `missing` frames, skipped or dropped, are not in the tally yet.
  private func write(_ tally: EncodeTally, missing: Int, _ state: String) {
    file.write(Self.block(tally.progress(), missing: missing, timeBase, state))
  }

  /// The lines of a block.
  static func block(
    _ progress: EncodeTally.Progress, missing: Int, _ timeBase: Rational, _ state: String
  ) -> String {
    let seconds = max(1e-9, Double(progress.elapsed.inNanoseconds) / 1e9)
    let outSeconds = Double(progress.outTime) * timeBase.value
    let out = Int(exactly: (max(0, outSeconds) * 1e6).rounded()) ?? 0
    let kilobits = Double(progress.bytes) * 8 / 1000 / (Double(max(out, 1)) / 1e6)
    let clock =
      "\(Units.padded(out / 3_600_000_000, 2)):\(Units.padded(out / 60_000_000 % 60, 2)):"
      + "\(Units.padded(out / 1_000_000 % 60, 2)).\(Units.padded(out % 1_000_000, 6))"
    return [
      "frame=\(progress.packets)",
      "fps=\(Units.fixed(Double(progress.packets) / seconds, 2))",
      "bitrate=" + (out > 0 ? Units.fixed(kilobits, 1) + "kbits/s" : "N/A"),
      "total_size=\(progress.bytes)",
      "out_time_us=\(out)",
      "out_time=\(clock)",
      // Every frame is encoded once; FFmpeg's readers look for the line.
      "dup_frames=0",
      "drop_frames=\(progress.framesMissing + missing)",
      "speed=\(Units.fixed(Double(out) / 1e6 / seconds, 2))x",
      "progress=\(state)",
    ].joined(separator: "\n")
  }
}
