/// What FFmpeg's own parser reads in slice headers.
public enum HeaderTrace {
  /// The quantizers that the slices of each access unit of an elementary stream start from.
  ///
  /// - Throws: `TestSupportError` when `ffmpeg` fails or finds no slice.
  public static func quantizers(_ stream: String) async throws -> [[Int]] {
    let result = try await Subprocess.run(
      "ffmpeg",
      [
        "-nostdin", "-hide_banner", "-nostats", "-v", "info", "-i", stream, "-c", "copy",
        "-bsf:v", "trace_headers", "-f", "null", "-",
      ], within: .seconds(120))
    guard result.exitCode == 0 else {
      throw TestSupportError("ffmpeg: \(result.errorText.prefix(2000))")
    }
    var packets: [[Int]] = []
    var starts: [Int: Int] = [:]
    var set = 0
    for line in result.errorText.split(separator: "\n") {
      // "[trace_headers @ 0x…] 30          slice_qp_delta              00110 = 3"
      let words = line.split(separator: " ")
      guard words.count > 3, words[0] == "[trace_headers" else { continue }
      if words[3] == "Packet:" {
        packets.append([])
        continue
      }
      guard words.count > 5, let value = Int(words[words.count - 1]) else { continue }
      switch words[4] {
      case "pic_parameter_set_id", "pps_pic_parameter_set_id", "slice_pic_parameter_set_id":
        set = value
      case "pic_init_qp_minus26", "init_qp_minus26": starts[set] = 26 + value
      case "slice_qp_delta":
        guard let start = starts[set], !packets.isEmpty else {
          throw TestSupportError("ffmpeg shows a slice without its parameter set")
        }
        packets[packets.count - 1].append(start + value)
      default: break
      }
    }
    guard packets.contains(where: { !$0.isEmpty }) else {
      throw TestSupportError("ffmpeg shows no slice in \(stream)")
    }
    return packets
  }
}
