/// A control that a family's devices are not given, and why.
package struct ControlException: Hashable, Sendable {
  package var controls: [ControlID]
  /// The only value the driver takes, which is written nevertheless; nil when there is none.
  package var onlyValue: Int64?
  /// What is wrong with the control there, in words.
  package var reason: String

  package init(_ controls: ControlID..., onlyValue: Int64? = nil, because reason: String) {
    self.controls = controls
    self.onlyValue = onlyValue
    self.reason = reason
  }
}

extension DriverFamily {
  /// Why a control is not written with this value; nil when it is.
  package func reasonToLeaveOut(_ id: ControlID, _ value: Int64) -> String? {
    exceptions.first { $0.controls.contains(id) && $0.onlyValue != value }?.reason
  }
}
