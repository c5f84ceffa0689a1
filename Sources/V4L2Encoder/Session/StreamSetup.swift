/// What was agreed with the driver for a stretch of streaming.
///
/// Nothing of it changes; a change of size or format brings another one, which the device thread
/// puts in its place while both queues are stopped and no caller is inside a request.
final class StreamSetup: Sendable {
  let report: NegotiationReport
  let writer: FrameWriter
  /// How many pictures a packet may overtake, as far as it is known from the controls.
  let reorderDepth: Int

  init(_ agreement: Negotiator.Agreement) {
    report = agreement.report
    writer = agreement.writer
    reorderDepth = agreement.reorderDepth
  }
}
