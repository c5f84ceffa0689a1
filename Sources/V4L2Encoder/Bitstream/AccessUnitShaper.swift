/// Gives access units the form that was asked for, and measures what was asked for.
package struct AccessUnitShaper: Sendable {
  private let codec: VideoCodec
  private let form: BitstreamForm
  private let addsDelimiters: Bool
  private let measuresQuantizer: Bool
  private var headers: SliceHeaderReader
  /// The record of the newest parameter sets, once they are complete.
  package private(set) var record: ConfigurationRecord?

  /// Creates a shaper; Annex B without additions costs nothing per picture.
  package init(
    codec: VideoCodec, form: BitstreamForm, addsDelimiters: Bool, measuresQuantizer: Bool
  ) {
    self.codec = codec
    self.form = form
    self.addsDelimiters = addsDelimiters && codec != .fwht
    self.measuresQuantizer = measuresQuantizer && codec != .fwht
    headers = SliceHeaderReader(codec: codec)
  }

  /// Whether parameter sets belong into the packets.
  package var keepsParameterSets: Bool { form != .lengthPrefixed(parameterSets: .outOfBand) }

  /// How much room in front of a picture lets it be shaped without a second copy: a delimiter, the
  /// parameter sets, and one byte for each start code of three bytes.
  package func room(_ sets: ParameterSetCache) -> Int {
    (addsDelimiters ? AccessUnitDelimiter.byteCount : 0)
      + (keepsParameterSets ? sets.bytes.count : 0) + (form == .annexB ? 0 : Self.shortCodes)
  }

  /// More slices than the drivers at hand make of one picture.
  private static let shortCodes = 128

  /// Takes over parameter sets; true when there was another complete record before.
  package mutating func update(_ sets: ParameterSetCache) -> Bool {
    if addsDelimiters || measuresQuantizer { headers.update(parameterSets: sets.bytes) }
    let former = record
    record = ConfigurationRecord(sets, codec: codec, form: form)
    return former != nil && former != record
  }

  /// Shapes one picture that comes in Annex B form.
  package func shape(
    _ buffer: consuming PacketBuffer, _ info: AccessUnitInfo, sets: ParameterSetCache
  ) -> AccessUnit {
    var quantizer: Double?
    let needsDelimiter = addsDelimiters && !info.hasDelimiter
    if needsDelimiter || measuresQuantizer {
      let slices = headers.survey(buffer.bytes)
      if measuresQuantizer { quantizer = slices.averageQuantizer }
      if needsDelimiter { AccessUnitDelimiter.insert(into: &buffer, codec: codec, slices: slices) }
    }
    if form != .annexB { buffer.replaceStartCodes(omitting: keepsParameterSets ? nil : sets) }
    return AccessUnit(
      codec: codec, form: form, data: buffer.finish(), isKeyFrame: info.isKeyFrame,
      hasParameterSets: info.hasAllParameterSets && keepsParameterSets,
      configurationRecord: info.isKeyFrame ? record : nil, averageQuantizer: quantizer)
  }
}
