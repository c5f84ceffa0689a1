/// One encoded picture with what was found out about it.
package struct AccessUnit: Sendable {
  /// The codec of the bytes.
  package var codec: VideoCodec
  /// How the NAL units are told apart.
  package var form = BitstreamForm.annexB
  /// The bytes.
  package var data: PacketData
  /// Whether decoding can start here.
  package var isKeyFrame: Bool
  /// Whether the bytes have the parameter sets a decoder needs.
  package var hasParameterSets: Bool
  /// The record in force, with key frames and wherever it changed.
  package var configurationRecord: ConfigurationRecord?
  /// Whether there are other parameter sets in force than before.
  package var changesParameterSets = false
  /// The mean of the slices' quantizers, if asked for and readable.
  package var averageQuantizer: Double?
}
