internal import V4L2Encoder
internal import VirtualV4L2Device

/// Which encoder `--device` means.
enum DeviceChoice {
  /// Opens the device that was named, or the one that fits best; says which one it was.
  static func open(
    _ device: String, _ plan: EncodePlan, observer: EncoderObserver, trace: DeviceTrace? = nil,
    console: Console
  ) async throws(CommandError) -> any VideoEncoder {
    guard device == "auto" else {
      return try await open(plan, on: selector(device, trace), observer)
    }
    if let chosen = Machine.current.chosenPath {
      console.note("--device auto: V4L2ENC_DEVICE says \(chosen)")
      return try await open(plan, on: selector(chosen, trace), observer)
    }
    let devices = DeviceCatalog.devices(encoding: plan.codec, as: plan.configuration, trace: trace)
    return try await first(of: devices, plan, observer, console, trace: trace)
  }

  /// The name that the device has which would be opened, for who opens it again and again.
  static func name(
    _ device: String, for plan: EncodePlan, _ console: Console
  ) throws(CommandError) -> String {
    guard device == "auto" else { return device }
    if let chosen = Machine.current.chosenPath { return chosen }
    let devices = DeviceCatalog.devices(encoding: plan.codec, as: plan.configuration)
    if let first = devices.first(where: { $0.refusal == nil }) { return first.path }
    throw refusal(devices.map { named($0.refusal ?? "", $0.path) }, devices, plan, console)
  }

  /// The device of this name; `virtual`, or `virtual:` with a personality, is made for the
  /// occasion, in this process.
  static func selector(
    _ name: String, _ trace: DeviceTrace? = nil
  ) throws(CommandError) -> DeviceSelector {
    let selector = try selector(named: name)
    return trace.map { selector.traced(by: $0) } ?? selector
  }

  private static func selector(named name: String) throws(CommandError) -> DeviceSelector {
    guard name == "virtual" || name.hasPrefix("virtual:") else {
      let meant = Suggestion.sentence(for: name, in: ["auto", "virtual"])
      if !meant.isEmpty, !OutputFile.exists(name) {
        throw CommandError(.noDevice, "\(name) does not exist\(meant)")
      }
      return .path(name)
    }
    var configuration = VirtualDevice.Configuration()
    if name != "virtual" {
      do throws(EncoderError) {
        configuration.personality = try .chosen(by: String(name.dropFirst("virtual:".count)))
      } catch {
        throw CommandError(error.errno == nil ? .usage : .noInput, "\(name): \(error)")
      }
    }
    do { return .virtual(try VirtualDevice(configuration)) } catch {
      throw CommandError(.operatingSystem, "no memory for the virtual device: \(error.text)")
    }
  }

  static func first(
    of devices: [DeviceReport], _ plan: EncodePlan, _ observer: EncoderObserver,
    _ console: Console, trace: DeviceTrace? = nil
  ) async throws(CommandError) -> any VideoEncoder {
    var refusals: [String] = []
    for device in devices {
      if let refusal = device.refusal {
        refusals.append(named(refusal, device.path))
        continue
      }
      do throws(CommandError) {
        let encoder = try await open(plan, on: selector(device.path, trace), observer)
        console.note("--device auto chose \(device.path) (\(device.card), driver \(device.driver))")
        return encoder
      } catch  where error.code == .usage {
        // The configuration is at fault, not the device.
        throw error
      } catch {
        refusals.append(named(error.message, device.path))
      }
    }
    throw refusal(refusals, devices, plan, console)
  }

  /// Says of each node why it cannot be used.
  private static func refusal(
    _ refusals: [String], _ devices: [DeviceReport], _ plan: EncodePlan, _ console: Console
  ) -> CommandError {
    for refusal in refusals { console.warning(refusal) }
    let found =
      refusals.isEmpty
      ? "there is no /dev/video* node"
      : "none of these nodes is a usable \(plan.codec.name) encoder"
    let reason = DeviceCatalog.boardLacksEncoder.map { "\($0): \(found)" } ?? found
    // The encoder may well be behind a node that lets nobody in.
    let isClosed = devices.contains { $0.error?.errno?.isPermission == true }
    return CommandError(
      isClosed ? .noPermission : .noDevice,
      "\(reason); name one with --device PATH, or try --device virtual")
  }

  /// A reason with the node it belongs to, which many reasons name themselves.
  static func named(_ reason: String, _ path: String) -> String {
    reason.hasPrefix(path) ? reason : "\(path): \(reason)"
  }

  private static func open(
    _ plan: EncodePlan, on device: DeviceSelector, _ observer: EncoderObserver
  ) async throws(CommandError) -> any VideoEncoder {
    do {
      switch plan.codec {
      case .h264: return try await open(H264.self, plan, on: device, observer)
      case .hevc: return try await open(HEVC.self, plan, on: device, observer)
      case .fwht: return try await open(FWHT.self, plan, on: device, observer)
      }
    } catch {
      throw CommandError(error)
    }
  }

  private static func open<Codec: CodecTag>(
    _ codec: Codec.Type, _ plan: EncodePlan, on device: DeviceSelector, _ observer: EncoderObserver
  ) async throws(EncoderError) -> any VideoEncoder {
    guard let recovery = plan.recovery else {
      return try await V4L2VideoEncoder<Codec>.open(
        plan.configuration, on: device, observer: observer)
    }
    return try await V4L2VideoEncoder<Codec>.open(
      plan.configuration, on: device, recovery: recovery, observer: observer)
  }
}
