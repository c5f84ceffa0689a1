public import V4L2Encoder

extension VirtualDevice {
  /// What kind of encoder a virtual device is.
  public struct Configuration: Hashable, Sendable {
    /// Which of V4L2's two buffer interfaces a device speaks.
    public enum Interface: String, Hashable, Sendable, CaseIterable {
      /// Buffers of one or more planes; most encoders speak this one.
      case multiplanar = "mplane"
      /// Buffers of one plane.
      case singlePlanar = "splane"
    }

    /// What encodes H.264.
    public enum H264Codec: String, Hashable, Sendable, CaseIterable {
      /// A real encoder, Cisco's OpenH264.
      case openH264 = "openh264"
      /// Synthetic access units that cost nothing and decode to nothing.
      case null
      /// The device does not encode H.264.
      case none
    }

    /// What encodes HEVC.
    public enum HEVCCodec: String, Hashable, Sendable, CaseIterable {
      #if VirtualCodecs
      /// A real encoder, x265.
      case x265
      #endif
      /// Synthetic access units that cost nothing and decode to nothing.
      case null
      /// The device does not encode HEVC.
      case none
    }

    /// Which driver the device imitates.
    public var personality: Personality
    /// What encodes H.264.
    public var h264: H264Codec
    /// What encodes HEVC.
    public var hevc: HEVCCodec
    /// How many frames a `null` codec holds back, as an encoder with B-frames does.
    public var nullDelay: Int
    /// The raw formats offered; nil, or a list of which the interface has none, offers all.
    public var rawFormats: [PixelFormat]?

    /// The default for HEVC: a real encoder if this build has one.
    public static var bestHEVC: HEVCCodec {
      #if VirtualCodecs
      .x265
      #else
      .null
      #endif
    }

    /// Creates a configuration; the defaults are real encoders behind the kernel's own interface.
    ///
    /// - Parameters:
    ///   - personality: which driver the device imitates.
    ///   - api: which buffer interface it speaks, if not the personality's.
    ///   - h264: what encodes H.264.
    ///   - hevc: what encodes HEVC.
    ///   - nullDelay: how many frames a `null` codec holds back.
    ///   - rawFormats: the raw formats offered, if not all.
    public init(
      personality: Personality = .spec, api: Interface? = nil, h264: H264Codec = .openH264,
      hevc: HEVCCodec = bestHEVC, nullDelay: Int = 0, rawFormats: [PixelFormat]? = nil
    ) {
      self.personality = personality
      self.h264 = h264
      self.hevc = hevc
      self.nullDelay = nullDelay
      self.rawFormats = rawFormats
      if let api { self.api = api }
    }

    /// Which of V4L2's two buffer interfaces the device speaks.
    public var api: Interface {
      get { personality.interface }
      set { personality.interface = newValue }
    }
  }
}

extension VirtualDevice.Configuration {
  /// The coded formats in the order of ENUM_FMT, as far as there is somebody to write them.
  var codedKinds: [CodedKind] {
    personality.codedFormats.filter { kind in
      switch kind.codec {
      case .h264: h264 != .none
      case .hevc: hevc != .none
      }
    }
  }

  /// The raw formats in the order of ENUM_FMT, at least one.
  var offeredRawFormats: [RawFormat] {
    let all = personality.rawFormats.filter { api == .multiplanar || $0.memoryPlanes == 1 }
    let usable = all.isEmpty ? [.nv12] : all
    guard let rawFormats else { return usable }
    let chosen = usable.filter { rawFormats.contains(PixelFormat(rawValue: $0.fourCC)) }
    return chosen.isEmpty ? usable : chosen
  }

  /// Opens a codec; nil when it refuses the settings.
  func makeBackend(_ settings: CodecSettings) -> (any CodecBackend)? {
    switch settings.codec {
    case .h264:
      switch h264 {
      case .openH264: OpenH264Backend(settings)
      case .null: NullBackend(settings, delay: max(0, nullDelay))
      case .none: nil
      }
    case .hevc:
      switch hevc {
      #if VirtualCodecs
      case .x265: X265Backend(settings)
      #endif
      case .null: NullBackend(settings, delay: max(0, nullDelay))
      case .none: nil
      }
    }
  }
}
