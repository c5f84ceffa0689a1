internal import V4L2Encoder

/// Why a device is no camera to capture from, and what to use instead.
enum CameraRefusal {
  /// Drivers whose nodes carry what a sensor of a Raspberry Pi sends, before it is made a picture:
  /// `bcm2835-unicam.c` and `rp1-cfe` of the kernel, and the name of an earlier version.
  private static let sensorDrivers: Set = ["unicam", "bcm2835-unicam", "rp1-cfe"]
  /// Drivers whose nodes are steps of a Raspberry Pi's image processor: `bcm2835-isp` and
  /// `pispbe`.
  private static let processorDrivers: Set = ["bcm2835-isp", "pispbe"]

  /// The camera to use where none was named.
  static func missing(_ devices: [DeviceReport]) -> CommandError {
    CommandError(
      .usage, "which camera? write v4l2enc capture CAMERA -o OUTPUT; \(cameras(among: devices))")
  }

  /// What to say of a file that is no device of V4L2.
  static func noDevice(_ path: String, among devices: [DeviceReport]) -> CommandError {
    CommandError(.noDevice, "\(path) is no V4L2 device; \(cameras(among: devices))")
  }

  /// What a device is that is no camera; nil for a camera, and for what says nothing of itself.
  static func refusal(of device: DeviceReport, among devices: [DeviceReport]) -> CommandError? {
    let name = device.driver.isEmpty ? device.path : "\(device.path) (\(device.driver))"
    let encoderHint = device.kind == .encoder ? "; name it as --device \(device.path)" : ""
    let kind: String
    switch device.kind {
    case .encoder: kind = "an encoder"
    case .decoder: kind = "a decoder"
    case .converter: kind = "a converter of pictures"
    case .other: kind = "another kind of device"
    case .camera, .unknown: return nil
    }
    return CommandError(
      .noInput, "\(name) is \(kind), not a camera\(encoderHint); \(cameras(among: devices))")
  }

  /// Why a camera cannot be captured from; nil when it may.
  ///
  /// A CSI receiver may also carry finished pictures, such as those of an HDMI bridge; so it is
  /// what it sends that counts.
  static func refusal(
    of camera: CameraReport, asked options: CaptureOptions
  ) -> CommandError? {
    let name = "\(camera.path) (\(camera.driver))"
    if processorDrivers.contains(camera.driver) {
      return CommandError(
        .noInput, "\(name) is a step of the image processor, not a camera; \(pipe(options))")
    }
    let usable = camera.formats.filter { $0.format.isEncodable }
    guard usable.isEmpty else { return nil }
    guard !camera.formats.isEmpty else {
      return CommandError(.noInput, "\(name) sends no pictures")
    }
    if sensorDrivers.contains(camera.driver) {
      return CommandError(
        .noInput,
        "\(name) sends what the sensor sees, not pictures; \(pipe(options))")
    }
    let formats = camera.formats.map(\.format.description).joined(separator: ", ")
    return CommandError(
      .noInput,
      "\(name) sends \(formats), none of which can be encoded; use the program that belongs to the "
        + "camera and pipe its pictures into v4l2enc encode -")
  }

  /// The way from a camera that only libcamera can drive.
  ///
  /// The rows of `--codec yuv420` are those of libcamera's buffers, which both Raspberry Pi
  /// pipelines align to 64 bytes; the receiver is told by --stride.
  static func pipe(_ options: CaptureOptions) -> String {
    let size = options.encode.size ?? VideoSize(width: 1280, height: 720)
    let rate = options.encode.frameRate ?? Rational(30)
    let stride = (size.width + 63) / 64 * 64
    let padding = stride == size.width ? "" : " --stride \(stride)"
    return "pipe the camera's pictures: rpicam-vid -t 0 --width \(size.width) --height "
      + "\(size.height) --framerate \(Units.fixed(rate.value, rate.denominator == 1 ? 0 : 2)) "
      + "--codec yuv420 -o - | v4l2enc encode - --format i420 --size \(size) --fps \(rate)"
      + "\(padding) -o \(options.encode.output ?? "OUTPUT")"
  }

  private static func cameras(among devices: [DeviceReport]) -> String {
    let cameras = devices.filter { $0.kind == .camera }
    guard !cameras.isEmpty else { return "there is no camera here" }
    let names = cameras.map { $0.card.isEmpty ? $0.path : "\($0.path) (\($0.card))" }
    return "cameras here: " + names.joined(separator: ", ")
  }
}
