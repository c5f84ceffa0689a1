/// Why a node could not be opened.
package struct OpenFailure: Error, Hashable, Sendable {
  /// What the system said.
  package var errno: Errno
  /// What happened and what to do about it, where the number alone would mislead.
  package var explanation: String?

  package init(_ errno: Errno, _ explanation: String? = nil) {
    self.errno = errno
    self.explanation = explanation
  }
}
