import Foundation
import Testing

@testable import V4L2Encoder

@Suite struct ControlTableTests {
  @Test func everyControlHasOneNameAndOneNumber() {
    #expect(Set(EncoderControl.all.map(\.id)).count == EncoderControl.all.count)
    #expect(Set(EncoderControl.all.map(\.name)).count == EncoderControl.all.count)
    #expect(EncoderControl.name(of: .bitrate) == "BITRATE")
    #expect(EncoderControl.name(of: ControlID(rawValue: 0x123)) == "0x123")
    #expect(EncoderControl(id: 0x9909cf) == .bitrate)
    #expect(EncoderControl(id: 0x123) == nil)
    #expect(EncoderControl(named: "v4l2_cid_mpeg_video_bitrate") == .bitrate)
    #expect(EncoderControl(named: "V4L2_CID_HFLIP") == .hflip)
    #expect(EncoderControl(named: "bitrat") == nil)
  }

  /// The kernel's header is the other witness: no control of H.264 or HEVC encoders is missing.
  @Test func theTableIsThatOfTheKernel() throws {
    let header = try String(contentsOfFile: "/usr/include/linux/v4l2-controls.h", encoding: .utf8)
    let pattern = /#define V4L2_CID_MPEG_VIDEO_(\w+)\s+\(V4L2_CID_CODEC_BASE\s*\+\s*(\d+)\)/
    let kernel = Dictionary(
      header.matches(of: pattern).map {
        (String($0.1), 0x0099_0900 + (UInt32($0.2) ?? 0))
      }, uniquingKeysWith: { first, _ in first })
    #expect(kernel.count > 150)
    for control in EncoderControl.all where kernel[control.name] != nil {
      #expect(kernel[control.name] == control.id, "\(control.name)")
    }
    let others = [
      "H263", "MPEG4", "MPEG2", "VPX", "VP8", "VP9", "AV1", "DEC_", "DECODER", "MUTE", "PULLDOWN",
      "ENCODING",
    ]
    let missing = kernel.keys.filter { name in
      EncoderControl(named: name) == nil && !others.contains { name.hasPrefix($0) }
    }
    #expect(missing.sorted() == [])
  }

  @Test func menusHaveTheItemsOfTheKernel() {
    let levels = CodecLevel.all(.h264)
    for level in levels {
      #expect(EncoderControl.h264Level.item(Int64(level.menuValue)) == level.name)
    }
    for level in CodecLevel.all(.hevc) {
      #expect(EncoderControl.hevcLevel.item(Int64(level.menuValue)) == level.name)
    }
    for profile in CodecProfile.all {
      let control: EncoderControl = profile.codec == .h264 ? .h264Profile : .hevcProfile
      #expect(control.item(Int64(profile.menuValue)) == profile.name)
    }
    #expect(EncoderControl.bitrate.item(0) == nil)
    #expect(EncoderControl.hevcTier.item(2) == nil)
    #expect(EncoderControl.hevcTier.item(-1) == nil)
  }
}
