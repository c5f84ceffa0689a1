// swift-tools-version: 6.2
import PackageDescription

let upcoming: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .enableExperimentalFeature("Lifetimes"),
]

/// The library and the command: every use of a raw pointer is marked `unsafe`.
let strict = upcoming + [.strictMemorySafety()]

let package = Package(
  name: "swift-v4l2-encoder",
  products: [
    .library(name: "V4L2Encoder", targets: ["V4L2Encoder"]),
    .library(name: "VirtualV4L2Device", targets: ["VirtualV4L2Device"]),
    .library(
      name: "v4l2_virtual_encoder", type: .dynamic,
      targets: ["VirtualV4L2Plugin", "CLibV4LPlugin"]),
    .executable(name: "v4l2enc", targets: ["v4l2enc-cli"]),
    .executable(name: "v4l2-virtual-encoder", targets: ["v4l2-virtual-encoder"]),
  ],
  traits: [
    .default(enabledTraits: ["VirtualCodecs"]),
    .trait(
      name: "VirtualCodecs",
      description: "HEVC in the virtual device, by x265 (GPL-2.0-or-later)"),
  ],
  targets: [
    .target(name: "CV4L2", cSettings: [.define("_GNU_SOURCE")]),
    .systemLibrary(name: "CLibYUV", providers: [.apt(["libyuv-dev"])]),
    .systemLibrary(
      name: "COpenH264", pkgConfig: "openh264", providers: [.apt(["libopenh264-dev"])]),
    .systemLibrary(name: "Cx265", pkgConfig: "x265", providers: [.apt(["libx265-dev"])]),
    .systemLibrary(name: "CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .target(
      name: "V4L2Encoder", dependencies: ["CV4L2", "CLibYUV"], swiftSettings: strict),
    .target(
      name: "VirtualX265",
      dependencies: [.target(name: "Cx265", condition: .when(traits: ["VirtualCodecs"]))],
      swiftSettings: upcoming),
    .target(
      name: "VirtualV4L2Device",
      dependencies: [
        "CV4L2", "V4L2Encoder", "CLibYUV", "COpenH264",
        .target(name: "VirtualX265", condition: .when(traits: ["VirtualCodecs"])),
      ], swiftSettings: upcoming),
    .executableTarget(
      name: "v4l2enc-cli", dependencies: ["V4L2Encoder", "VirtualV4L2Device"],
      swiftSettings: strict),
    .executableTarget(
      name: "v4l2-virtual-encoder",
      dependencies: ["VirtualV4L2Device", "V4L2Encoder", "CFuse3", "CV4L2"],
      swiftSettings: upcoming),
    .executableTarget(
      name: "encoder-bench", dependencies: ["V4L2Encoder", "VirtualV4L2Device"],
      path: "Benchmarks/EncoderBench", swiftSettings: upcoming),
    .target(name: "CLibV4LPlugin", cSettings: [.define("_GNU_SOURCE")]),
    .target(
      name: "VirtualV4L2Plugin",
      dependencies: ["VirtualV4L2Device", "V4L2Encoder", "CV4L2", "CLibV4LPlugin"],
      swiftSettings: upcoming),
    .target(
      name: "TestSupport", dependencies: ["V4L2Encoder", "CV4L2", "CLibYUV"],
      path: "Tests/TestSupport", swiftSettings: upcoming),
    .testTarget(
      name: "TestSupportTests", dependencies: ["TestSupport"], swiftSettings: upcoming),
    .testTarget(
      name: "V4L2EncoderTests", dependencies: ["V4L2Encoder", "CV4L2", "TestSupport"],
      swiftSettings: upcoming),
    .testTarget(
      name: "VirtualDeviceTests",
      dependencies: ["V4L2Encoder", "VirtualV4L2Device", "CV4L2", "TestSupport"],
      swiftSettings: upcoming),
    .testTarget(
      name: "EncoderSessionTests",
      dependencies: ["V4L2Encoder", "VirtualV4L2Device", "TestSupport", "CV4L2"],
      swiftSettings: upcoming),
    .testTarget(
      name: "ConformanceTests", dependencies: ["V4L2Encoder", "VirtualV4L2Device", "TestSupport"],
      swiftSettings: upcoming),
    .testTarget(
      name: "CLITests", dependencies: ["v4l2enc-cli", "V4L2Encoder", "CV4L2", "TestSupport"],
      swiftSettings: upcoming),
    .testTarget(
      name: "DeviceFileTests",
      dependencies: ["V4L2Encoder", "CV4L2", "TestSupport", "v4l2-virtual-encoder", "v4l2enc-cli"],
      swiftSettings: upcoming),
    .testTarget(
      name: "LibV4L2Tests",
      dependencies: ["V4L2Encoder", "VirtualV4L2Plugin", "TestSupport", "v4l2enc-cli"],
      swiftSettings: upcoming),
    .testTarget(
      name: "KernelTests", dependencies: ["V4L2Encoder", "CV4L2", "TestSupport", "v4l2enc-cli"],
      swiftSettings: upcoming),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu17
)
