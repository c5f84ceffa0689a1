/// Drivers that behave alike: what is known of them, as data.
///
/// A device is recognised by what its driver calls itself, never by the number of its node. What
/// no driver of the family contradicts is left at the value that the kernel's document
/// (Documentation/userspace-api/media/v4l/dev-encoder.rst) asks for.
public struct DriverFamily: Hashable, Sendable {
  /// The name, such as `bcm2835-codec`; `generic` for a driver that nothing is known of.
  public let name: String
  /// Where it is found, in words.
  public let machines: String
  /// How a device of the family is recognised.
  package let signs: FamilySigns
  /// Controls that are not written, each with the reason.
  package var exceptions: [ControlException] = []
  /// Which numbers and payloads the controls have.
  package var dialect = ControlDialect.standard
  /// Which requests carry controls.
  package var controlRequests = ControlRequests.extendedOrPlain
  /// Whether the value of a control can be asked for; what cannot be is reported as unverified.
  package var readsControlsBack = true
  /// Every control that the driver has, where it answers `EINVAL` for the others and cannot be
  /// asked which; nil where it can.
  package var controls: Set<ControlID>?
  /// The controls that set the distance of key frames, by codec.
  package var keyFrameIntervals: [VideoCodec: [ControlID]] = [:]
  /// How a key frame is asked for.
  package var keyFrames = KeyFrameRequest.standard
  /// When a control that is changed while frames are encoded comes into force.
  package var changes = SettingChange.atOnce
  /// What ends a stream of frames.
  package var drain = DrainRequest.stopCommand
  /// What a codec's coded format is called, in the order it is looked for.
  package var hevcFormats = VideoCodec.hevc.codedFormats
  /// Whether the coded rate is that of the CAPTURE queue (encoded bytes), even where the format
  /// does not say so.
  package var takesRateOnCapture = false
  /// Whether the picture can be cropped by `VIDIOC_S_SELECTION`.
  package var crops = true

  package init(_ name: String, _ machines: String, _ signs: FamilySigns) {
    self.name = name
    self.machines = machines
    self.signs = signs
  }
}

/// What a device of a family says of itself.
package struct FamilySigns: Hashable, Sendable {
  /// Driver names of `VIDIOC_QUERYCAP`.
  package var drivers: Set<String> = []
  /// A part of the driver's or the card's name, for families whose names are not known for sure.
  package var partOfName: String?
  /// Last components of the paths under which only this family is found.
  package var nodes: Set<String> = []

  func match(driver: String, card: String, path: String) -> Bool {
    if drivers.contains(driver) { return true }
    if let partOfName, [driver, card].contains(where: { $0.lowercased().contains(partOfName) }) {
      return true
    }
    return path.split(separator: "/").last.map { nodes.contains(String($0)) } ?? false
  }
}

/// Which requests carry controls.
package enum ControlRequests: Hashable, Sendable {
  /// `VIDIOC_S_EXT_CTRLS` and `VIDIOC_G_EXT_CTRLS`; where the driver has not got them,
  /// `VIDIOC_S_CTRL` and `VIDIOC_G_CTRL`.
  case extendedOrPlain
  /// `VIDIOC_S_EXT_CTRLS` with one control and its class, nothing else.
  case extendedOnly
}

/// What ends a stream of frames, so that the driver gives out everything it keeps back.
package enum DrainRequest: Hashable, Sendable {
  /// `V4L2_ENC_CMD_STOP`.
  case stopCommand
  /// An OUTPUT buffer (raw frame) with no bytes in it; an empty CAPTURE buffer is the end.
  case emptyFrame
  /// Nothing: the driver keeps no frame back, the end is the last frame's packet.
  case none
}

/// How a key frame is asked for.
package struct KeyFrameRequest: Hashable, Sendable {
  /// The controls tried, in turn, with the value written.
  package var controls: [ControlWrite]
  /// Whether an encoder without any of them is drained and started again instead, which makes the
  /// next frame a key frame.
  package var mayRestart = false

  package static let standard = KeyFrameRequest(
    controls: [ControlWrite(.forceKeyFrame, .value(1))])
  package static let standardOrRestart = KeyFrameRequest(
    controls: standard.controls, mayRestart: true)
}

/// When a control that is changed while frames are encoded comes into force.
package enum SettingChange: Hashable, Sendable {
  /// With one of the next frames.
  case atOnce
  /// When both queues are stopped and started again.
  case afterRestart
  /// When the device is opened again; such drivers encode nothing either, after the queues were
  /// stopped, before that.
  case afterReopening
}

extension DriverFamily {
  /// Every family that is told from the others.
  public static let all: [DriverFamily] = [
    .bcm2835, .coda, .venus, .iris, .wave5, .s5pMFC, .mtkVcodec, .allegro, .amphion, .hva,
    .vicodec, .nvidia, .rkmpp,
  ]

  /// Every driver that nothing particular is known of.
  public static let generic = DriverFamily("generic", "any machine", FamilySigns())

  /// The family of a device by the names of `VIDIOC_QUERYCAP`, or by its path where these say
  /// nothing.
  public static func recognise(driver: String, card: String, path: String) -> DriverFamily {
    all.first { $0.signs.match(driver: driver, card: card, path: path) } ?? .generic
  }

  /// Whether a device has to be opened anew for each stretch of frames, from one drain to the next.
  package var encodesOnce: Bool { changes == .afterReopening }

  package func codedFormats(for codec: VideoCodec) -> [PixelFormat] {
    codec == .hevc ? hevcFormats : codec.codedFormats
  }
}
