/// What is written for one control: its number on the device and what goes with it.
package struct ControlWrite: Hashable, Sendable {
  package var id: ControlID
  package var payload: Payload

  package init(_ id: ControlID, _ payload: Payload) {
    self.id = id
    self.payload = payload
  }

  /// What goes with the number.
  package enum Payload: Hashable, Sendable {
    /// A number in the request itself.
    case value(Int64)
    /// A structure of 32-bit members behind a pointer, without a size: NVIDIA's way.
    case structure([UInt32])
  }
}

/// Which numbers and payloads a device's controls have.
package enum ControlDialect: Hashable, Sendable {
  /// Those of the kernel's `v4l2-controls.h`.
  case standard
  /// Those of NVIDIA's `v4l2_nv_extensions.h`.
  case nvidia

  /// What becomes of a control.
  package enum Translation: Hashable, Sendable {
    case write(ControlWrite)
    /// It is not written, for this reason.
    case leaveOut(String)
  }

  /// How a standard control is written here.
  ///
  /// `plan` is every control of the same configuration, since one of NVIDIA's may carry several.
  package func translate(_ control: PlannedControl, among plan: [PlannedControl]) -> Translation {
    switch self {
    case .standard: .write(ControlWrite(control.id, .value(control.value)))
    case .nvidia: NVIDIAControls.translate(control, among: plan)
    }
  }
}
