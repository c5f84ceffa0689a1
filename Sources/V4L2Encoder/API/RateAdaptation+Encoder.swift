extension RateAdaptation {
  /// What was done to an encoder.
  public struct Change: Hashable, Sendable {
    /// What was asked for; whoever encodes the next frame asks for its key frame.
    public let step: Step
    /// What became of it, as ``VideoEncoder/update(_:)`` says.
    public let outcomes: [ControlOutcome]
  }

  /// Takes a target and changes the encoder when it is time; nil when nothing was to be done.
  ///
  /// What the driver sets instead is taken for the bitrate in force. A driver without such a
  /// control, or that is known to misunderstand it, is not asked again. Each change costs a drain
  /// and a key frame where the driver takes a bitrate only between two stretches of frames
  /// (``DynamicSettings/mayDrain``).
  ///
  /// - Parameters:
  ///   - target: what the network carries for this stream, in bit/s.
  ///   - time: as in ``step(target:at:)``.
  ///   - encoder: what to change.
  ///   - peakRatio: for an encoder with a variable bitrate, its peak as a multiple of the bitrate;
  ///     nil keeps the ratio that is in force.
  ///   - mayDrain: whether the encoder may be drained for a change; see
  ///     ``DynamicSettings/mayDrain``. If not, a driver that is known to need it counts as one that
  ///     changes no bitrate, and one that refuses a change keeps its bitrate until the next.
  /// - Returns: what was asked for, and what became of it.
  /// - Throws: as ``VideoEncoder/update(_:)``; the bitrate counts as unchanged then.
  public nonisolated(nonsending) mutating func follow(
    target: Int, at time: Duration, with encoder: some VideoEncoder, peakRatio: Double? = nil,
    mayDrain: Bool = true
  ) async throws(EncoderError) -> Change? {
    let before = self
    guard let step = step(target: target, at: time) else { return nil }
    let peak = (peakRatio ?? encoder.configuration.rateControl.peakRatio).map { ratio in
      // A peak that stands for no limit stays one.
      Int(
        min(
          Double(ConfigurationCheck.bitrates.upperBound),
          (Double(step.bitrate) * (ratio > 1 ? ratio : 1)).rounded()))
    }
    let outcomes: [ControlOutcome]
    do throws(EncoderError) {
      outcomes = try await encoder.update(
        DynamicSettings(bitrate: step.bitrate, peakBitrate: peak, mayDrain: mayDrain))
    } catch {
      self = before
      throw error
    }
    // Nothing is asked of the driver when the encoder has that bitrate already.
    guard !outcomes.isEmpty else { return Change(step: step, outcomes: []) }
    switch outcomes.first(where: { $0.id == EncoderControl.bitrate.id })?.result {
    case .applied, .unverified: break
    case .adjusted(let actual): driverSet(Int(actual), insteadOf: step.bitrate)
    case .refused: driverSet(before.bitrate, insteadOf: before.bitrate)
    case .unsupported, .leftOut, nil: driverKeeps(before.bitrate)
    }
    return Change(step: step, outcomes: outcomes)
  }
}

extension RateControl {
  /// A variable bitrate's peak as a multiple of it.
  fileprivate var peakRatio: Double? {
    guard case .variable(let bitrate, let peak) = self, bitrate > 0 else { return nil }
    return Double(peak) / Double(bitrate)
  }
}
