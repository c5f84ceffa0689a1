// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "EncodeTenLines",
  dependencies: [
    // No traits: nothing under the GPL is linked.
    .package(name: "swift-v4l2-encoder", path: "../..", traits: [])
  ],
  targets: [
    .executableTarget(
      name: "EncodeTenLines",
      dependencies: [
        .product(name: "V4L2Encoder", package: "swift-v4l2-encoder"),
        .product(name: "VirtualV4L2Device", package: "swift-v4l2-encoder"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
