import Glibc
import TestSupport
import V4L2Encoder

@testable import VirtualV4L2Device

/// What a random run does: a seed makes the same plan on every machine.
struct RandomPlan: Sendable {
  /// One thing that an app does with an encoder, or that goes wrong in the device.
  enum Step: Hashable, Sendable {
    /// Frames one after the other, one of them as a key frame.
    case encode(frames: Int, keyFrameAt: Int?)
    /// Frames of several callers at the same time.
    case encodeAtOnce(callers: Int, frames: Int)
    /// A frame whose caller is cancelled after some time.
    case cancelEncode(afterMicroseconds: Int)
    case update(DynamicSettings)
    case reconfigure(VideoSize, PixelFormat)
    case borrowBuffer
    case giveBufferBack
    case encodeBorrowed
    case drain
    /// The reader takes nothing for a while.
    case pauseReader(milliseconds: Int)
    case inject(VirtualDevice.Fault)
    case removeFaults
    /// The encoder is closed and another one opened on the same device.
    case reopen(drained: Bool)
  }

  let seed: UInt64
  var device: VirtualDevice.Configuration
  var codec: VideoCodec
  var configuration: EncoderConfiguration
  /// Whether the encoder is opened again when its device fails.
  var recovers: Bool
  /// How many packets wait for each of two readers of a broadcast, one of which may lose some; nil
  /// for a single reader of the encoder's own packets.
  var broadcastCapacity: Int?
  var steps: [Step]

  init(seed: UInt64) {
    self.seed = seed
    var numbers = SeededGenerator(seed: seed)
    let personality = numbers.pick(VirtualDevice.Personality.all)
    device = VirtualDevice.Configuration(
      personality: personality, h264: .null, hevc: .null,
      nullDelay: Int.random(in: 0...3, using: &numbers))
    let codecs = personality.codedFormats.map(\.codec)
    codec = codecs.contains(.hevc) && numbers.chance(1, in: 3) ? .hevc : .h264
    recovers = numbers.chance(1, in: 2)
    broadcastCapacity = numbers.chance(1, in: 4) ? Int.random(in: 1...4, using: &numbers) : nil
    configuration = Harness.configuration {
      $0.inputBuffers = Int.random(in: 2...5, using: &numbers)
      $0.outputBuffers = Int.random(in: 2...5, using: &numbers)
      $0.packetCapacity = Int.random(in: 1...8, using: &numbers)
      let queue = Int.random(in: 1...4, using: &numbers)
      $0.admission = numbers.pick([.wait, .wait, .dropNewest, .dropOldest(queue: queue), .fail])
      if numbers.chance(1, in: 5) {
        $0.latencyBudget = .milliseconds(Int.random(in: 1...200, using: &numbers))
      }
      if numbers.chance(1, in: 5) { $0.rateReduction = FrameRateReduction(.quick) }
      // Long enough for a machine that does much else: without faults nothing may fail, and
      // nothing may be recovered from.
      $0.deadlines = Deadlines(
        setup: .seconds(5), progress: .seconds(3), consumer: .seconds(10),
        silence: .milliseconds(50))
    }
    steps = (0..<Int.random(in: 10...30, using: &numbers)).map { _ in numbers.step() }
  }
}

extension RandomPlan: CustomStringConvertible {
  var description: String {
    let list = steps.map { "  \(text($0))" }.joined(separator: "\n")
    return "V4L2ENC_SEED=\(seed): \(device.personality.name) \(codec.name), \(device.nullDelay) "
      + "frames held back, \(configuration.inputBuffers)+\(configuration.outputBuffers) buffers, "
      + "room for \(configuration.packetCapacity) packets, \(configuration.admission), "
      + "budget \(configuration.latencyBudget.map { "\($0)" } ?? "none"), "
      + "rate \(configuration.rateReduction == nil ? "fixed" : "reduced"), "
      + "\(recovers ? "with" : "without") recovery, "
      + "\(broadcastCapacity.map { "two readers with room for \($0)" } ?? "one reader")\n\(list)"
  }

  private func text(_ step: Step) -> String {
    switch step {
    case .inject(let fault):
      let times = fault.times == .max ? "for ever" : "\(fault.times) times"
      return "\(fault.place) \(fault.effect) after \(fault.index), \(times)"
    case .reconfigure(let size, let format): return "reconfigure \(size) \(format)"
    default: return "\(step)"
    }
  }
}

extension SeededGenerator {
  mutating func pick<Element>(_ all: [Element]) -> Element {
    all[Int.random(in: all.indices, using: &self)]
  }

  mutating func chance(_ count: Int, in all: Int) -> Bool {
    Int.random(in: 0..<all, using: &self) < count
  }

  fileprivate mutating func step() -> RandomPlan.Step {
    switch Int.random(in: 0..<100, using: &self) {
    case ..<30:
      let frames = Int.random(in: 1...8, using: &self)
      return .encode(frames: frames, keyFrameAt: chance(1, in: 4) ? frames / 2 : nil)
    case ..<38:
      return .encodeAtOnce(
        callers: Int.random(in: 2...3, using: &self), frames: Int.random(in: 1...4, using: &self))
    case ..<43: return .cancelEncode(afterMicroseconds: Int.random(in: 0...500, using: &self))
    case ..<48: return .update(settings())
    case ..<54: return .borrowBuffer
    case ..<57: return .giveBufferBack
    case ..<62: return .encodeBorrowed
    case ..<69: return .drain
    case ..<73:
      return .reconfigure(
        pick([Harness.size, VideoSize(width: 640, height: 368), VideoSize(width: 176, height: 144)]
        ),
        pick([.i420, .nv12]))
    case ..<76: return .pauseReader(milliseconds: Int.random(in: 1...100, using: &self))
    case ..<92: return .inject(fault())
    case ..<95: return .removeFaults
    default: return .reopen(drained: chance(1, in: 2))
    }
  }

  private mutating func settings() -> DynamicSettings {
    let bitrate = Int.random(in: 200_000...1_000_000, using: &self)
    var settings = DynamicSettings(mayDrain: chance(1, in: 2))
    switch Int.random(in: 0..<5, using: &self) {
    case 0: settings.bitrate = bitrate
    case 1: settings.frameRate = Rational(Int.random(in: 5...50, using: &self))
    case 2: settings.keyFrameInterval = Int.random(in: 1...30, using: &self)
    case 3:
      let minimum = Int.random(in: 10...30, using: &self)
      settings.quantizer = QuantizerRange(minimum: minimum, maximum: minimum + 20)
    default:
      settings.rateControl = pick([
        .constant(bitrate: bitrate), .variable(bitrate: bitrate, peak: 2 * bitrate),
      ])
    }
    return settings
  }

  private mutating func fault() -> VirtualDevice.Fault {
    typealias Fault = VirtualDevice.Fault
    let index = Int.random(in: 0...8, using: &self)
    if chance(1, in: 2) {
      return .spoiling(
        pick(Fault.Damage.allCases), frame: index, times: Int.random(in: 1...3, using: &self))
    }
    let request = pick(Fault.Request.allCases)
    if chance(1, in: 12) { return .hanging(request, at: index) }
    let error = pick([EIO, ENODEV, EINTR, EAGAIN, EBUSY, ENOMEM, EINVAL])
    let times = chance(1, in: 8) ? Int.max : Int.random(in: 1...50, using: &self)
    return .failing(request, with: Errno(rawValue: error), at: index, times: times)
  }
}

extension FrameRateReduction.Tuning {
  /// Changes that come within a random run.
  fileprivate static var quick: Self {
    var tuning = Self()
    tuning.settling = .milliseconds(10)
    tuning.recovery = .milliseconds(50)
    return tuning
  }
}
