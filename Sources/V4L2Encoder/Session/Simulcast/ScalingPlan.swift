/// Which sizes are made of a frame, each from the next larger one, and which layer gets which.
///
/// Frames that are neither NV12 nor I420 are converted once, in their own size, before all else.
struct ScalingPlan: Sendable {
  /// A set of layers, by their number.
  typealias Layers = UInt32

  private struct Step {
    let scaler: FrameScaler
    /// The step whose picture it starts from; nil for the frame itself.
    let source: Int?
    /// Whoever gets this picture, or one that is made of it.
    var layers: Layers
  }

  static let mostLayers = 16

  private let size: VideoSize
  private let format: PixelFormat
  /// What all layers' frames are.
  let layerFormat: PixelFormat
  private var steps: [Step] = []
  /// The step whose picture a layer gets; nil for the frame itself.
  private(set) var stepOfLayer: [Int?] = []

  /// - Parameters:
  ///   - size: the size of the frames that will come.
  ///   - format: their layout.
  ///   - color: what their numbers mean; matters for RGB frames only.
  ///   - sizes: the layers' sizes.
  ///   - capacity: how many pictures of each size may be held at once.
  /// - Throws: `unsupported` or `invalidConfiguration` for formats and sizes that cannot be.
  init(
    from size: VideoSize, _ format: PixelFormat, color: ColorDescription, to sizes: [VideoSize],
    capacity: Int
  ) throws(EncoderError) {
    guard (1...Self.mostLayers).contains(sizes.count) else {
      throw EncoderError(
        .invalidConfiguration, "\(sizes.count) layers: must be 1 to \(Self.mostLayers)")
    }
    self.size = size
    self.format = format
    layerFormat = Self.layerFormat(for: format)
    var made: [(size: VideoSize, step: Int?)] = []
    if layerFormat == format {
      made.append((size, nil))
    } else {
      let converter = try FrameScaler(
        from: format, size: size, to: layerFormat, size: size, color: color, frames: capacity)
      steps.append(Step(scaler: converter, source: nil, layers: 0))
      made.append((size, 0))
    }
    let descending = Set(sizes).sorted {
      ($0.width * $0.height, $0.width) > ($1.width * $1.height, $1.width)
    }
    for wanted in descending where wanted != size {
      // Pictures are not made of smaller ones, so what fits into none comes from the frame.
      let nearest = made.last { $0.size.width >= wanted.width && $0.size.height >= wanted.height }
      let source = nearest ?? made[0]
      let scaler = try FrameScaler(
        from: layerFormat, size: source.size, to: layerFormat, size: wanted, color: color,
        frames: capacity)
      steps.append(Step(scaler: scaler, source: source.step, layers: 0))
      made.append((wanted, steps.count - 1))
    }
    for (layer, wanted) in sizes.enumerated() {
      let step = made.first { $0.size == wanted }?.step
      stepOfLayer.append(step)
      var next = step
      while let index = next {
        steps[index].layers |= 1 << Layers(layer)
        next = steps[index].source
      }
    }
  }

  /// What layers are given of frames in this format.
  static func layerFormat(for format: PixelFormat) -> PixelFormat {
    format == .i420 || format == .nv12 ? format : .nv12
  }

  /// Refuses a frame that is not as announced.
  func check(_ frame: VideoFrame) throws(EncoderError) {
    guard frame.format == format, frame.size == size else {
      throw EncoderError(
        .invalidFrame,
        "the frame is \(frame.size) \(frame.format), the simulcast was made for \(size) \(format)")
    }
  }

  /// Makes the pictures that these layers need, one for each step; a step is nil when no layer
  /// needs it, or all its pictures are still held.
  ///
  /// - Throws: `invalidFrame` when the frame cannot be read.
  func scale(
    _ frame: VideoFrame, for layers: Layers, into pictures: inout [VideoFrame?]
  ) throws(EncoderError) {
    pictures.removeAll(keepingCapacity: true)
    for step in steps {
      let source = step.source.map { pictures[$0] } ?? frame
      guard let source, step.layers & layers != 0 else {
        pictures.append(nil)
        continue
      }
      do throws(EncoderError) {
        pictures.append(try step.scaler.scale(source))
      } catch {
        guard error.code == .buffersLent else { throw error }
        pictures.append(nil)
      }
    }
  }
}
