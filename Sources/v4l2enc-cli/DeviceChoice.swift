internal import V4L2Encoder
internal import VirtualV4L2Device

/// Which encoder `--device` means.
enum DeviceChoice {
  /// Opens the device that was named, or the first that fits; says which one it was.
  static func open(
    _ device: String, _ plan: EncodePlan, observer: EncoderObserver, console: Console
  ) async throws(CommandError) -> any VideoEncoder {
    switch device {
    case "auto":
      return try await first(of: DeviceCatalog.devices(), plan, observer, console)
    default:
      return try await open(plan, on: selector(device), observer)
    }
  }

  /// The device of this name; `virtual` is made for the occasion, in this process.
  static func selector(_ name: String) throws(CommandError) -> DeviceSelector {
    guard name == "virtual" else { return .path(name) }
    do { return .virtual(try VirtualDevice()) } catch {
      throw CommandError(.operatingSystem, "no memory for the virtual device: \(error.text)")
    }
  }

  static func first(
    of devices: [DeviceReport], _ plan: EncodePlan, _ observer: EncoderObserver,
    _ console: Console
  ) async throws(CommandError) -> any VideoEncoder {
    var refusals: [String] = []
    for device in devices {
      if let refusal = refusal(of: device, for: plan) {
        refusals.append(named(refusal, device.path))
        continue
      }
      do throws(CommandError) {
        let encoder = try await open(plan, on: .path(device.path), observer)
        console.note("--device auto chose \(device.path) (\(device.card), driver \(device.driver))")
        return encoder
      } catch  where error.code == .usage {
        // The configuration is at fault, not the device.
        throw error
      } catch {
        refusals.append(named(error.message, device.path))
      }
    }
    for refusal in refusals { console.warning(refusal) }
    let found =
      refusals.isEmpty
      ? "there is no /dev/video* node"
      : "none of these nodes is a usable \(plan.codec.name) encoder"
    throw CommandError(
      .noDevice, "\(found); name one with --device PATH, or try --device virtual")
  }

  /// A reason with the node it belongs to, which many reasons name themselves.
  static func named(_ reason: String, _ path: String) -> String {
    reason.hasPrefix(path) ? reason : "\(path): \(reason)"
  }

  /// Why a device cannot do what is planned; nil when it may.
  static func refusal(of device: DeviceReport, for plan: EncodePlan) -> String? {
    if let refusal = device.refusal { return refusal }
    let formats: [PixelFormat] =
      switch plan.codec {
      case .h264: [.h264]
      case .hevc: [.hevc, .h265]
      case .fwht: [.fwht]
      }
    guard let codec = device.codecs.first(where: { formats.contains($0.format) }) else {
      let known = device.codecs.map(\.format.description).joined(separator: ", ")
      return "encodes \(known.isEmpty ? "nothing" : known), not \(plan.codec.name)"
    }
    let size = plan.configuration.size
    if let least = codec.minimumSize, size.width < least.width || size.height < least.height {
      return "takes no pictures below \(least)"
    }
    if let most = codec.maximumSize, size.width > most.width || size.height > most.height {
      return "takes no pictures above \(most)"
    }
    return nil
  }

  private static func open(
    _ plan: EncodePlan, on device: DeviceSelector, _ observer: EncoderObserver
  ) async throws(CommandError) -> any VideoEncoder {
    do {
      switch plan.codec {
      case .h264:
        return try await H264Encoder.open(plan.configuration, on: device, observer: observer)
      case .hevc:
        return try await HEVCEncoder.open(plan.configuration, on: device, observer: observer)
      case .fwht:
        return try await FWHTEncoder.open(plan.configuration, on: device, observer: observer)
      }
    } catch {
      throw CommandError(error)
    }
  }
}
