/// Placeholder while the engine is written.
package final class EncoderSession: Sendable {
  static nonisolated(nonsending) func open(
    _ codec: VideoCodec, _ configuration: EncoderConfiguration, on device: DeviceSelector,
    observer: EncoderObserver
  ) async throws(EncoderError) -> EncoderSession {
    throw EncoderError(.unsupported, "the engine is not there yet")
  }
  var negotiated: NegotiationReport { NegotiationReport() }
  var packets: PacketSequence { PacketSequence() }
  var statistics: EncoderStatistics { EncoderStatistics() }
  nonisolated(nonsending) func encode(
    _ frame: VideoFrame, options: FrameOptions
  ) async throws(EncoderError) {}
  nonisolated(nonsending) func nextInputBuffer() async throws(EncoderError) -> InputBuffer {
    InputBuffer()
  }
  nonisolated(nonsending) func encode(
    _ buffer: consuming InputBuffer, presentationTime: Int64, duration: Int64,
    options: FrameOptions
  ) async throws(EncoderError) {}
  nonisolated(nonsending) func drain() async throws(EncoderError) {}
  nonisolated(nonsending) func close() async {}
}
