import Glibc

/// What a program outside cannot measure of the library; prints one line of `name=value` pairs.
///
///     encoder-bench conversion        I420 to NV12 against a plain copy of the same bytes
///     encoder-bench scaling           UYVY 3840x2160 to NV12 1920x1080
///     encoder-bench latency           from `encode` to the packet, on a device that does not wait
///     encoder-bench streams PATH N SECONDS    N streams at once on a device, 1080p at 30 fps
@main
enum EncoderBench {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let found: [(String, Double)]
    switch arguments.first {
    case "conversion": found = try ConversionBench.run()
    case "scaling": found = try ScalingBench.run()
    case "latency": found = try await LatencyBench.run()
    case "streams" where arguments.count == 4:
      guard let count = Int(arguments[2]), let seconds = Int(arguments[3]) else { usage() }
      found = try await StreamsBench.run(on: arguments[1], count: count, seconds: seconds)
    default: usage()
    }
    print(found.map { "\($0.0)=\($0.1)" }.joined(separator: " "))
  }

  private static func usage() -> Never {
    print("usage: encoder-bench conversion|scaling|latency|streams PATH COUNT SECONDS")
    exit(64)
  }
}
