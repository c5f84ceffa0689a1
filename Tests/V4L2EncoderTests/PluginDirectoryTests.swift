import Testing

@testable import V4L2Encoder

/// Where a build of libv4l2 says that its plugins are.
struct PluginDirectoryTests {
  private func file(_ texts: String...) -> [UInt8] {
    [0x7f, 0x45, 0x4c, 0x46, 0x00, 0xff] + texts.joined(separator: "\0").utf8 + [0]
  }

  @Test("the pattern in the library names the directory, wherever it is")
  func pattern() {
    let nix = file("v4l2_open", "/nix/store/x-v4l-utils/lib/libv4l/plugins/*.so", "libc.so.6")
    #expect(
      PluginDirectory.patternDirectory(in: nix) == "/nix/store/x-v4l-utils/lib/libv4l/plugins")
  }

  @Test("a library without a pattern, or with several, says nothing")
  func noPattern() {
    #expect(PluginDirectory.patternDirectory(in: []) == nil)
    #expect(PluginDirectory.patternDirectory(in: file("%s/libv4l/plugins/*.so", "v4l2")) == nil)
    #expect(PluginDirectory.patternDirectory(in: file("/a/*.so", "/b/*.so")) == nil)
  }
}
