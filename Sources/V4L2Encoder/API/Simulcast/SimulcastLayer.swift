/// One of the streams that are made of the same frames.
public struct SimulcastLayer: Hashable, Sendable {
  /// What the layer is called in messages and statistics.
  public var name: String
  /// The size of its picture; frames are fitted to it as they are.
  public var size: VideoSize
  /// How its bits are spent.
  public var rateControl: RateControl

  /// Creates the description of a layer.
  public init(_ name: String, size: VideoSize, rateControl: RateControl) {
    self.name = name
    self.size = size
    self.rateControl = rateControl
  }
}

/// An encoder that makes one layer.
public struct SimulcastStream: Sendable {
  /// What the layer is called in messages and statistics.
  public let name: String
  /// The encoder: its packets are the layer's, and settings such as a bitrate may be changed, but
  /// not size and format.
  public let encoder: any VideoEncoder

  /// Names an encoder.
  public init(_ name: String, _ encoder: any VideoEncoder) {
    self.name = name
    self.encoder = encoder
  }
}

/// What happened in one layer so far.
public struct SimulcastStatistics: Hashable, Sendable {
  /// The layer.
  public var name: String
  /// Frames that this layer left out because it had no room, or that its encoder refused.
  public var framesDropped = 0
  /// Why the layer gets no frames any more; nil while it does.
  public var failure: EncoderError?
  /// What its encoder counts.
  public var encoder: EncoderStatistics
}

/// Something worth knowing of one layer.
public enum SimulcastEvent: Hashable, Sendable {
  /// The layer had no room for this frame, or its encoder refused it with this error.
  case frameDropped(presentationTime: Int64, EncoderError?)
  /// The layer's driver makes no key frame on demand; this frame is an ordinary one.
  case keyFrameRefused(presentationTime: Int64, EncoderError)
  /// The layer's encoder has failed; the other layers go on without it.
  case layerFailed(EncoderError)
}
