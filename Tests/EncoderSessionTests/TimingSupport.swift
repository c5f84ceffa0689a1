import TestSupport
import VirtualV4L2Device

@testable import V4L2Encoder

extension Harness {
  /// Deadlines that a device which stands still misses soon.
  static let hasty = Deadlines(
    setup: .seconds(10), progress: .milliseconds(600), consumer: .seconds(10),
    silence: .milliseconds(100))

  /// An encoder with these deadlines.
  static func openHasty(
    _ transport: BentTransport, observer: EncoderObserver = EncoderObserver(),
    _ change: (inout EncoderConfiguration) -> Void = { _ in }
  ) async throws -> H264Encoder {
    try await H264Encoder.open(
      configuration {
        $0.deadlines = hasty
        change(&$0)
      }, on: transport.selector, observer: observer)
  }
}
