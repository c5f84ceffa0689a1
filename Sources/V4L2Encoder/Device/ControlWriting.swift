extension EncoderDevice {
  /// Writes a control in the family's way, unless the family has reasons against it.
  ///
  /// `plan` is everything that is written with it, since one control of NVIDIA's may carry several.
  package func apply(
    _ control: PlannedControl, among plan: [PlannedControl]
  ) -> ControlOutcome.Result {
    guard Self.controlValues.contains(control.value) else {
      return .leftOut("a control has 32 bits, too few for this value")
    }
    if let reason = family.reasonToLeaveOut(control.id, control.value) { return .leftOut(reason) }
    switch family.dialect.translate(control, among: plan) {
    case .leaveOut(let reason): return .leftOut(reason)
    case .write(let write): return apply(write)
    }
  }

  /// Signed numbers and bit masks of 32 bits.
  private static let controlValues = Int64(Int32.min)...Int64(UInt32.max)

  /// Writes a control without asking first, because some drivers answer no query yet take the
  /// value, and reads it back where that is possible.
  private func apply(_ write: ControlWrite) -> ControlOutcome.Result {
    do throws(Errno) {
      try handle.setControl(write, by: family.controlRequests)
    } catch {
      guard error != .notSupported else { return .unsupported }
      // EINVAL says both "no such control" and "not this value"; the first is true when the
      // control cannot be read either. Where none can be read, the family's table tells.
      guard family.readsControlsBack else {
        return family.controls?.contains(write.id) == false ? .unsupported : .refused(error)
      }
      guard (try? handle.control(write.id)) != nil else { return .unsupported }
      return .refused(error)
    }
    guard family.readsControlsBack, case .value(let value) = write.payload else {
      return .unverified
    }
    do throws(Errno) {
      let granted = try handle.control(write.id)
      return granted == value ? .applied : .adjusted(to: granted)
    } catch {
      return .unverified
    }
  }
}
