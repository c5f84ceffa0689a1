import TestSupport
import Testing

@testable import V4L2Encoder

@Suite(.timeLimit(.minutes(5))) struct SliceHeaderTests {
  struct Clip: Sendable, CustomTestStringConvertible {
    var codec: VideoCodec
    var options: String
    var testDescription: String { "\(codec.rawValue) \(options)" }
  }

  @Test(
    "The quantizer of streams with a constant one",
    arguments: [20, 30, 40], [VideoCodec.h264, .hevc])
  func constant(quantizer: Int, codec: VideoCodec) async throws {
    let options =
      codec == .h264
      ? "-qp \(quantizer) -bf 2 -x264-params ipratio=1:pbratio=1:slices=4"
      : "-x265-params log-level=none:qp=\(quantizer):ipratio=1:pbratio=1:slices=3"
    let clip = try await EncodedClip(codec, size: "320x240", options)
    let units = try clip.assembled(measuresQuantizer: true)
    #expect(units.map(\.averageQuantizer) == Array(repeating: Double(quantizer), count: 12))
    #expect(try clip.assembled().allSatisfy { $0.averageQuantizer == nil })
  }

  /// Between them they have every syntax element before the quantizer that the two encoders write.
  static let clips = [
    Clip(codec: .h264, options: "-profile:v baseline -b:v 100k -g 5 -slices 3"),
    Clip(codec: .h264, options: "-b:v 100k -bf 3 -refs 4 -x264-params weightp=2:b-pyramid=normal"),
    Clip(codec: .h264, options: "-crf 25 -flags +ildct -x264-params interlaced=1:slices=4"),
    Clip(codec: .h264, options: "-crf 30 -bf 2 -x264-params weightb=0:direct=temporal:no-cabac=1"),
    Clip(codec: .h264, options: "-crf 28 -x264-params intra-refresh=1:keyint=8:aud=1"),
    Clip(codec: .hevc, options: "-b:v 100k -x265-params log-level=none:slices=3:bframes=0"),
    Clip(
      codec: .hevc,
      options: "-crf 28 -x265-params log-level=none:weightb=1:ref=5:b-pyramid=1:keyint=9:open-gop=1"
    ),
    Clip(
      codec: .hevc, options: "-crf 25 -x265-params log-level=none:no-sao=1:temporal-layers=1:aud=1"
    ),
    Clip(
      codec: .hevc,
      options:
        "-crf 30 -x265-params log-level=none:no-temporal-mvp=1:wpp=1:ctu=16:scaling-list=default"
    ),
  ]

  @Test("Every slice's quantizer as FFmpeg reads it", arguments: clips)
  func agreesWithFFmpeg(clip: Clip) async throws {
    // Fades make encoders weigh their predictions.
    let encoded = try await EncodedClip(
      clip.codec, frames: 24, clip.options + " -vf fade=out:2:12:color=white")
    let expected = try await HeaderTrace.quantizers(encoded.path)
    #expect(expected.count == encoded.accessUnits.count)
    let units = try encoded.assembled(measuresQuantizer: true)
    let means = expected.map { Double($0.reduce(0, +)) / Double($0.count) }
    #expect(units.map(\.averageQuantizer) == means)
    #expect(Set(means).count > 1, "the clip should not be coded with one quantizer")
  }

  @Test("Mutated streams neither trap nor loop", arguments: [VideoCodec.h264, .hevc])
  func garbage(codec: VideoCodec) async throws {
    let clip = try await EncodedClip(
      codec,
      codec == .h264
        ? "-crf 30 -bf 2 -refs 3 -x264-params interlaced=1:slices=3"
        : "-crf 30 -x265-params log-level=none:ref=4:slices=2:weightb=1")
    // Headers, which is what is read, are in the first bytes of short units.
    let units = clip.accessUnits.map { unit in
      var start = 0
      var short: [UInt8] = []
      for place in BitstreamSamples.units(unit) {
        short += unit[place.start..<min(place.end, place.header + 60)]
        start = place.end
      }
      return start > 0 ? short : unit
    }
    var generator = SeededGenerator(seed: 7)
    var readable = 0
    for _ in 0..<400 {
      var assembler = PacketAssembler(
        codec: codec, form: .lengthPrefixed(parameterSets: .outOfBand), addsDelimiters: true,
        measuresQuantizer: true)
      for unit in units {
        var bytes = unit
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^=
            1 << UInt8.random(in: 0...7, using: &generator)
        }
        if Int.random(in: 0..<4, using: &generator) == 0 {
          bytes = Array(bytes.prefix(Int.random(in: 1...bytes.count, using: &generator)))
        }
        let outcome = assembler.accept(PacketBuffer(copying: bytes, room: assembler.room))
        guard case .picture(let unit) = outcome else { continue }
        if let quantizer = unit.averageQuantizer {
          readable += 1
          #expect((-48...51).contains(quantizer))
        }
        let found = NALUnitSequence(unit.data, codec: codec, form: unit.form).map(\.range.count)
        #expect(found.reduce(0, +) + 4 * found.count == unit.data.byteCount)
      }
    }
    // Most mutations hit something harmless; a parser that gives up at once would show here.
    #expect(readable > 1000)
  }

  @Test("A set predicted from another leaves out the picture at distance zero")
  func referenceSetAtDistanceZero() throws {
    var writer = BitWriter()
    writer.unsigned(1, 1, 0)  // one before, one behind, each at distance one
    writer.flag(true)
    writer.unsigned(0)
    writer.flag(true)
    // Predicted: everything moves by one, all three places kept.
    writer.flag(true)
    writer.flag(false)
    writer.unsigned(0)
    writer.write(0b111, bits: 3)
    let bytes = writer.payload
    var reader = BitReader(bytes.span.bytes, from: 0, to: bytes.count)
    let first = try #require(
      HEVCReferenceSet(&reader, index: 0, among: [], isInSlice: false))
    let second = try #require(
      HEVCReferenceSet(&reader, index: 1, among: [first], isInSlice: false))
    #expect(first.count == 2 && first.usedCount == 2)
    // -1 and 1 become 0, which is the current picture, and 2; the picture itself becomes 1.
    #expect(second.count == 2 && second.usedCount == 2)
  }
}
