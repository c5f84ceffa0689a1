import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

@Suite(.timeLimit(.minutes(5))) struct BitstreamFormTests {
  /// What start codes become, and how many bytes move for it.
  struct Replacement: Sendable {
    var stream: [UInt8]
    var units: [[UInt8]]
    var moved: Int
  }

  @Test(
    "Start codes of four bytes are overwritten, shorter ones make what is before them move",
    arguments: [
      Replacement(stream: [0, 0, 0, 1, 7, 8], units: [[7, 8]], moved: 0),
      Replacement(stream: [0, 0, 0, 1, 7, 0, 0, 0, 1, 9, 5], units: [[7], [9, 5]], moved: 0),
      Replacement(stream: [0, 0, 1, 7, 8], units: [[7, 8]], moved: 0),
      Replacement(stream: [0, 0, 0, 1, 7, 8, 0, 0, 1, 9, 5], units: [[7, 8], [9, 5]], moved: 2),
      Replacement(
        stream: [0, 0, 1, 7, 0, 0, 1, 8, 6, 0, 0, 0, 1, 9, 5, 5],
        units: [[7], [8, 6], [9, 5, 5]],
        moved: 1),
      Replacement(
        stream: [0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 1, 9, 0, 0], units: [[7], [9]], moved: 1),
    ])
  func replacesStartCodes(_ test: Replacement) {
    let expected = BitstreamSamples.prefixed(test.units)
    for room in [0, 16] {
      var buffer = PacketBuffer(copying: test.stream, room: room)
      buffer.replaceStartCodes(omitting: nil)
      let moved = buffer.movedByteCount
      #expect(buffer.finish().array == expected)
      if room > 0 { #expect(moved == test.moved) }
    }
  }

  @Test func randomStreamsKeepTheirUnits() {
    var generator = SeededGenerator(seed: 8)
    for _ in 0..<2000 {
      let count = Int.random(in: 0...80, using: &generator)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...2, using: &generator) }
      let units = BitstreamSamples.units(bytes).map { Array(bytes[$0.payload]) }
      var buffer = PacketBuffer(copying: bytes, room: Int.random(in: 0...8, using: &generator))
      buffer.replaceStartCodes(omitting: nil)
      let data = buffer.finish()
      guard !units.isEmpty else {
        #expect(data.array == bytes)
        continue
      }
      #expect(data.array == BitstreamSamples.prefixed(units))
      let found = NALUnitSequence(
        data, codec: .h264, form: .lengthPrefixed(parameterSets: .inBand))
      #expect(found.map { Array(data.array[$0.range]) } == units)
    }
  }

  @Test func insertionUsesTheRoomInFront() {
    for room in [0, 2, 3, 9] {
      var buffer = PacketBuffer(copying: [1, 2, 3, 4, 5], room: room)
      buffer.insert([7, 8, 9], at: 2)
      let moved = buffer.movedByteCount
      #expect(buffer.finish().array == [1, 2, 7, 8, 9, 3, 4, 5])
      #expect(moved == (room < 3 ? 7 : 2))
    }
    var buffer = PacketBuffer(copying: [], room: 0)
    buffer.insert([7], at: 5)
    buffer.insert([6], at: -1)
    #expect(buffer.finish().array == [6, 7])
  }

  static let clips = [
    SliceHeaderTests.Clip(codec: .h264, options: "-profile:v baseline -slices 4 -g 5"),
    SliceHeaderTests.Clip(codec: .h264, options: "-bf 2 -g 6 -x264-params slices=2:aud=1"),
    SliceHeaderTests.Clip(codec: .h264, options: "-profile:v high10 -pix_fmt yuv420p10le"),
    SliceHeaderTests.Clip(codec: .hevc, options: "-x265-params log-level=none:slices=2:keyint=5"),
    SliceHeaderTests.Clip(
      codec: .hevc, options: "-pix_fmt yuv422p10le -x265-params log-level=none:temporal-layers=1"),
  ]

  @Test("The packets are the samples of FFmpeg's MP4, the record is its box", arguments: clips)
  func agreesWithFFmpeg(_ test: SliceHeaderTests.Clip) async throws {
    let clip = try await EncodedClip(test.codec, test.options)
    let tags = test.codec == .h264 ? [""] : ["hev1", "hvc1"]
    for tag in tags {
      let path = clip.file("copy\(tag).mp4")
      try await MediaTools.ffmpeg(
        ["-fflags", "+genpts", "-i", clip.path, "-c", "copy"]
          + (tag.isEmpty ? [] : ["-tag:v", tag])
          + [path])
      let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      let record = try MP4Boxes.anywhere(test.codec == .h264 ? "avcC" : "hvcC", in: file)
      let isComplete = tag == "hvc1"
      let units = try clip.assembled(
        form: .lengthPrefixed(parameterSets: isComplete ? .outOfBand : .inBand))
      #expect(units[0].configurationRecord?.bytes == record)
      #expect(units.filter(\.isKeyFrame).allSatisfy { $0.configurationRecord?.bytes == record })
      // FFmpeg leaves the parameter sets in the samples of either.
      if !isComplete {
        let samples = PacketData(copying: try MP4Boxes.topLevel("mdat", in: file))
        let packets = PacketData(copying: units.flatMap(\.data.array))
        #expect(contents(packets, test.codec) == contents(samples, test.codec))
      }
    }
  }

  /// The units behind lengths.
  ///
  /// No NAL unit ends with a zero (7.4.1). FFmpeg's raw demuxer leaves the first zero of the next
  /// access unit's start code at the end of the one before.
  private func contents(_ data: PacketData, _ codec: VideoCodec) -> [[UInt8]] {
    let bytes = data.array
    let units = NALUnitSequence(data, codec: codec, form: .lengthPrefixed(parameterSets: .inBand))
    return units.map { unit in
      var end = unit.range.upperBound
      while bytes[end - 1] == 0 { end -= 1 }
      return Array(bytes[unit.range.lowerBound..<end])
    }
  }

  @Test("Without its parameter sets a clip is decoded by its record", arguments: clips)
  func outOfBand(_ test: SliceHeaderTests.Clip) async throws {
    let clip = try await EncodedClip(test.codec, test.options)
    let units = try clip.assembled(form: .lengthPrefixed(parameterSets: .outOfBand))
    for unit in units {
      #expect(!unit.hasParameterSets)
      let found = NALUnitSequence(unit.data, codec: unit.codec, form: unit.form)
      #expect(!found.contains { $0.isParameterSet } && found.contains { $0.isSlice })
    }
    let record = try #require(units[0].configurationRecord)
    var file = MatroskaClip(
      codec: test.codec == .h264 ? "V_MPEG4/ISO/AVC" : "V_MPEGH/ISO/HEVC",
      configuration: record.bytes, width: 176, height: 144)
    for unit in units { file.add(unit.data.array, isKeyFrame: unit.isKeyFrame) }
    let path = clip.file("clip.mkv")
    try Data(file.data).write(to: URL(fileURLWithPath: path))
    for (name, input) in [("a", clip.path), ("b", path)] {
      try await MediaTools.ffmpeg(
        ["-i", input, "-fps_mode", "passthrough", "-f", "framemd5", clip.file(name)])
    }
    #expect(try pictures(clip.file("a")) == pictures(clip.file("b")))
    #expect(try pictures(clip.file("a")).count == 12)
  }

  /// The check sums of pictures that FFmpeg wrote, without their times.
  private func pictures(_ path: String) throws -> [String] {
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
      String($0.split(separator: ",").last ?? "")
    }
  }

  @Test("NAL units are the same in every form", arguments: [VideoCodec.h264, .hevc])
  func iteration(codec: VideoCodec) async throws {
    let clip = try await EncodedClip(
      codec, codec == .h264 ? "-slices 3" : "-x265-params log-level=none:slices=2")
    let prefixed = try clip.assembled(form: .lengthPrefixed(parameterSets: .inBand))
    for (plain, prefixed) in zip(try clip.assembled(), prefixed) {
      let lists = [plain, prefixed].map { unit in
        NALUnitSequence(unit.data, codec: codec, form: unit.form).map { nal in
          #expect(nal.bytes.byteCount == nal.range.count)
          return [UInt8(nal.type)] + unit.data.array[nal.range]
        }
      }
      #expect(lists[0] == lists[1] && lists[0].count >= 2)
    }
    let types = NALUnitSequence(prefixed[0].data, codec: codec, form: prefixed[0].form).map(\.type)
    #expect(types.starts(with: codec == .h264 ? [7, 8] : [32, 33, 34]))
  }

  @Test func fwhtHasNoUnits() {
    let data = PacketData(copying: [0, 0, 0, 1, 9, 9])
    for form in [BitstreamForm.annexB, .lengthPrefixed(parameterSets: .inBand)] {
      #expect(NALUnitSequence(data, codec: .fwht, form: form).map(\.type) == [])
    }
  }

  @Test(
    "Lengths that lie end the units",
    arguments: [
      [0, 0, 0, 9, 1], [0, 0, 0, 0, 1], [0xff, 0xff, 0xff, 0xff, 1], [0, 0, 0, 1], [0],
    ])
  func damagedLengths(tail: [UInt8]) {
    let data = PacketData(copying: [0, 0, 0, 2, 0x65, 1] + tail)
    let units = NALUnitSequence(
      data, codec: .h264, form: .lengthPrefixed(parameterSets: .outOfBand))
    #expect(units.map(\.type) == [5])
  }
}

/// What the assembler does with parameter sets and delimiters in each form.
@Suite struct BitstreamShapeTests {
  private static let picture: [UInt8] = [0x65, 0x88, 0x80, 0x10]
  private static let sets = BitstreamSamples.stream(
    BitstreamSamples.h264SPS, BitstreamSamples.h264PPS)

  private func accept(_ assembler: inout PacketAssembler, _ bytes: [UInt8]) throws -> AccessUnit {
    let outcome = assembler.accept(PacketBuffer(copying: bytes, room: assembler.room))
    guard case .picture(let unit) = outcome else { throw TestSupportError("no picture") }
    return unit
  }

  @Test func annexBGetsTheMissingSetsWithoutASecondCopy() throws {
    var assembler = PacketAssembler(codec: .h264)
    let first = try accept(&assembler, Self.sets + BitstreamSamples.stream(Self.picture))
    #expect(first.configurationRecord != nil && !first.changesParameterSets)
    #expect(assembler.room == Self.sets.count)
    let second = try accept(&assembler, BitstreamSamples.stream(Self.picture))
    #expect(second.data.array == first.data.array)
    #expect(second.hasParameterSets)
    #expect(second.configurationRecord == first.configurationRecord)
    let third = try accept(&assembler, BitstreamSamples.stream([0x41, 0x9a, 0x80]))
    #expect(third.configurationRecord == nil && !third.changesParameterSets)
  }

  @Test func inBandSetsAreInsertedWithLengths() throws {
    var assembler = PacketAssembler(codec: .h264, form: .lengthPrefixed(parameterSets: .inBand))
    let first = try accept(&assembler, Self.sets + BitstreamSamples.stream(Self.picture))
    let second = try accept(&assembler, BitstreamSamples.stream([0x09, 0xf0], Self.picture))
    let (sps, pps) = (BitstreamSamples.h264SPS, BitstreamSamples.h264PPS)
    #expect(first.data.array == BitstreamSamples.prefixed([sps, pps, Self.picture]))
    #expect(
      second.data.array == BitstreamSamples.prefixed([[0x09, 0xf0], sps, pps, Self.picture]))
  }

  @Test func changedSetsAreAnnounced() throws {
    var assembler = PacketAssembler(codec: .h264, form: .lengthPrefixed(parameterSets: .outOfBand))
    let first = try accept(&assembler, Self.sets + BitstreamSamples.stream(Self.picture))
    let same = try accept(&assembler, Self.sets + BitstreamSamples.stream(Self.picture))
    var other = BitstreamSamples.h264PPS
    other[1] ^= 0x10
    let changed = try accept(&assembler, BitstreamSamples.stream(other, [0x41, 0x9a, 0x80]))
    #expect(!first.changesParameterSets && !same.changesParameterSets)
    #expect(same.configurationRecord == first.configurationRecord)
    #expect(changed.changesParameterSets && !changed.isKeyFrame)
    let record = try #require(changed.configurationRecord)
    #expect(record != first.configurationRecord)
    #expect(record.bytes.suffix(4 + other.count).starts(with: other))
  }

  @Test func aSetThatTheRecordLacksStaysInThePacket() throws {
    var assembler = PacketAssembler(codec: .h264, form: .lengthPrefixed(parameterSets: .outOfBand))
    let damaged: [UInt8] = [0x68]  // no number
    let unit = try accept(
      &assembler, Self.sets + BitstreamSamples.stream(damaged, Self.picture))
    let kept = NALUnitSequence(unit.data, codec: .h264, form: unit.form).map(\.type)
    #expect(kept == [8, 5])
  }

  @Test(
    "Delimiters name the kinds of slices",
    arguments: [
      ([[0x65, 0b1011_1000, 0x80]], [0x09, 0x10]),  // I
      ([[0x41, 0b1100_0000, 0x80]], [0x09, 0x30]),  // P
      ([[0x41, 0b1011_1000, 0x80], [0x41, 0b1010_1000, 0x80]], [0x09, 0x50]),  // I and B
      ([[0x41, 0b1001_0010, 0x80]], [0x09, 0xf0]),  // SP
      ([[0x41]], [0x09, 0xf0]),  // broken off
    ] as [([[UInt8]], [UInt8])])
  func delimiterKinds(slices: [[UInt8]], delimiter: [UInt8]) throws {
    var assembler = PacketAssembler(codec: .h264, addsDelimiters: true)
    let stream = slices.flatMap { BitstreamSamples.stream($0) }
    let unit = try accept(&assembler, stream)
    #expect(unit.data.array == BitstreamSamples.stream(delimiter) + stream)
    // What has a delimiter already keeps its own.
    let again = try accept(&assembler, unit.data.array)
    #expect(again.data.array == unit.data.array)
  }

  @Test(
    "Real streams get the delimiters their encoder would write",
    arguments: [VideoCodec.h264, .hevc])
  func realDelimiters(codec: VideoCodec) async throws {
    func options(_ delimiters: Int) -> String {
      codec == .h264
        ? "-bf 2 -g 6 -x264-params aud=\(delimiters):threads=1"
        : "-x265-params log-level=none:keyint=6:temporal-layers=1:aud=\(delimiters):pools=1"
    }
    let without = try await EncodedClip(codec, options(0)).assembled(addsDelimiters: true)
    let with = try await EncodedClip(codec, options(1))
    #expect(without.count == with.accessUnits.count)
    for (unit, expected) in zip(without, with.accessUnits) {
      let units = NALUnitSequence(unit.data, codec: codec, form: .annexB)
      let delimiters = units.filter { $0.type == (codec == .h264 ? 9 : 35) }
      #expect(delimiters.count == 1)
      let first = try #require(units.first { _ in true })
      let mine = Array(unit.data.array[first.range])
      let theirs = Array(expected[BitstreamSamples.units(expected)[0].payload])
      #expect(mine.first == theirs.first && mine.count == theirs.count)
      #expect(mine.last == theirs.last)
      // x265 leaves the sub-layer at zero, where the standard wants that of the picture, 7.4.2.2.
      let slice = try #require(units.first { $0.isSlice })
      if codec == .hevc { #expect(mine[1] == unit.data.array[slice.range.lowerBound + 1]) }
    }
  }
}
