import Foundation
import TestSupport
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// What each driver gives by itself, what the library puts in its place, and what there is not.
@Suite(.timeLimit(.minutes(5))) struct FeatureTable {
  private enum Finding: String {
    case native, substituted, unsupported
  }

  private struct Row {
    var name: String
    var findings: [Finding]
  }

  private static let features = [
    "parameter sets at key frames", "bitrate", "bitrate while running", "frame rate",
    "frame rate while running", "key frame on demand", "96x96", "1920x1080",
  ]

  @Test("the table can be made, and nobody lacks the basics")
  func table() async throws {
    var rows: [Row] = []
    for personality in VirtualDevice.Personality.all {
      rows.append(
        try await withDeadline(.seconds(60), personality.name) {
          try await Self.row(personality)
        })
    }
    for row in rows {
      #expect(row.findings.count == Self.features.count)
      #expect(row.findings[0] != .unsupported, "\(row.name): parameter sets")
      #expect(row.findings[1] != .unsupported, "\(row.name): bitrate")
    }
    guard let path = ProcessInfo.processInfo.environment["V4L2ENC_CONFORMANCE_TABLE"] else {
      let documented = try String(contentsOf: Self.document, encoding: .utf8)
      #expect(
        documented.contains(Self.text(rows)),
        "docs/devices.md says something else; Scripts/conformance-table.sh writes it anew")
      return
    }
    try Data(Self.text(rows).utf8).write(to: URL(fileURLWithPath: path))
  }

  private static let document = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("docs/devices.md")

  private static func text(_ rows: [Row]) -> String {
    let head = ["driver"] + features + ["proven on"]
    let lines =
      [head, head.map { _ in "---" }]
      + rows.map { [$0.name] + $0.findings.map(\.rawValue) + [fronts(to: $0.name)] }
    return lines.map { "| \($0.joined(separator: " | ")) |\n" }.joined()
  }

  /// The ways on which the suite ran; Scripts/conformance-table.sh writes nothing when one failed.
  private static func fronts(to name: String) -> String {
    var fronts = ["in process"]
    if ConformanceNode.servedAsFile.contains(name) { fronts.append("device file") }
    if ConformanceNode.behindLibV4L2.contains(name) { fronts.append("libv4l2 plugin") }
    return fronts.joined(separator: ", ")
  }

  private static func row(_ personality: VirtualDevice.Personality) async throws -> Row {
    let device = Place.pretended(personality)
    let session = try await Session.open(.h264, on: device)
    let report = session.encoder.negotiated
    var findings: [Finding] = [
      report.parameterSets == .driver ? .native : .substituted,
      finding(report.controls.last { $0.name == "BITRATE" }?.result),
    ]
    try await session.encode(0..<3)
    findings.append(try await change(session, "BITRATE", DynamicSettings(bitrate: 600_000)))
    findings.append(report.frameRate == Rational(25) ? .native : .unsupported)
    findings.append(
      try await change(
        session, ControlOutcome.frameRateName, DynamicSettings(frameRate: Rational(50))))
    findings.append(try await keyFrame(session))
    _ = try await session.finish()
    findings.append(await size(VideoSize(width: 96, height: 96), device))
    findings.append(await size(VideoSize(width: 1920, height: 1080), device))
    return Row(name: personality.name, findings: findings)
  }

  private static func finding(_ result: ControlOutcome.Result?) -> Finding {
    switch result {
    case .applied, .unverified, .adjusted: .native
    case .unsupported, .refused, .leftOut, nil: .unsupported
    }
  }

  /// A change that needed a restart of the queues is a substitute for one while they run.
  private static func change(
    _ session: Session, _ name: String, _ settings: DynamicSettings
  ) async throws -> Finding {
    let drains = session.encoder.statistics.drains
    let outcomes = try await session.encoder.update(settings)
    let result = finding(outcomes.first { $0.name == name }?.result)
    try await session.encode(3..<6)
    guard result == .native else { return result }
    return session.encoder.statistics.drains == drains ? .native : .substituted
  }

  private static func keyFrame(_ session: Session) async throws -> Finding {
    let drains = session.encoder.statistics.drains
    do {
      try await session.encode(6..<7, keyFrameAt: 6)
    } catch let error as EncoderError {
      guard error.code == .unsupported else { throw error }
      return .unsupported
    }
    return session.encoder.statistics.drains == drains ? .native : .substituted
  }

  /// A picture that lies cropped in a larger buffer is the library's doing.
  private static func size(
    _ size: VideoSize, _ device: Place
  ) async -> Finding {
    guard let session = try? await Session.open(.h264, on: device, size: size) else {
      return .unsupported
    }
    let report = session.encoder.negotiated
    _ = try? await session.finish()
    return report.bufferSize == size ? .native : .substituted
  }
}
