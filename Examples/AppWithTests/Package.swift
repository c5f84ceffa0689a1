// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "AppWithTests",
  dependencies: [
    // No traits: nothing under the GPL is linked.
    .package(name: "swift-v4l2-encoder", path: "../..", traits: [])
  ],
  targets: [
    .target(
      name: "ClipRecorder",
      dependencies: [.product(name: "V4L2Encoder", package: "swift-v4l2-encoder")]),
    .executableTarget(name: "record-clip", dependencies: ["ClipRecorder"]),
    .testTarget(
      name: "ClipRecorderTests",
      dependencies: [
        "ClipRecorder",
        .product(name: "V4L2Encoder", package: "swift-v4l2-encoder"),
        // Only the tests need the virtual device; the app is linked to the library alone.
        .product(name: "VirtualV4L2Device", package: "swift-v4l2-encoder"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
