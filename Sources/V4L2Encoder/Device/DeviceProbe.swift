internal import Glibc

/// Finds out what a node is, by QUERYCAP and ENUM_FMT, without streaming.
package enum DeviceProbe {
  /// Every `/dev/video*` node in numeric order.
  package static func candidates() -> [String] {
    guard let directory = unsafe opendir("/dev") else { return [] }
    defer { unsafe closedir(directory) }
    var numbers: [Int] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe fixedText(entry.pointee.d_name)
      guard name.hasPrefix("video"), let number = Int(name.dropFirst(5)) else { continue }
      numbers.append(number)
    }
    return numbers.sorted().map { "/dev/video\($0)" }
  }

  /// What was found, with the capabilities an encoder is opened by.
  package struct Finding {
    package var report: DeviceReport
    package var capabilities: DeviceCapabilities?
  }

  /// Opens, examines and closes a node.
  package static func examine(path: String, transport: any Transport) -> DeviceReport {
    do throws(OpenFailure) {
      let handle = try transport.open(path)
      defer { handle.close() }
      return examine(path: path, handle: handle).report
    } catch {
      var report = DeviceReport(path: path, kind: .unknown)
      report.refusal = EncoderError(error, device: path).description
      return report
    }
  }

  /// Examines an open node.
  package static func examine(path: String, handle: any DeviceHandle) -> Finding {
    var report = DeviceReport(path: path, kind: .unknown)
    let capabilities: DeviceCapabilities
    do throws(Errno) {
      capabilities = try handle.queryCapabilities()
    } catch {
      report.refusal = "\(path) is no V4L2 device (VIDIOC_QUERYCAP: \(error))"
      return Finding(report: report, capabilities: nil)
    }
    report.driver = capabilities.driver
    report.card = capabilities.card
    report.bus = capabilities.bus
    report.isMultiplanar = capabilities.isMultiplanarMemoryToMemory
    guard capabilities.isMemoryToMemory else {
      report.kind = capabilities.isCapture ? .camera : .other
      let what = capabilities.isCapture ? "a camera or another source of pictures" : "no codec"
      report.refusal = "\(path) is \(what) (\(capabilities.driver)), not an encoder"
      return Finding(report: report, capabilities: capabilities)
    }
    let device = EncoderDevice(handle: handle, path: path, capabilities: capabilities)
    let coded = (try? handle.formats(device.captureType)) ?? []
    let raw = (try? handle.formats(device.outputType)) ?? []
    classify(device, coded: coded, raw: raw, report: &report)
    return Finding(report: report, capabilities: capabilities)
  }

  private static func classify(
    _ device: EncoderDevice, coded: [FormatDescription], raw: [FormatDescription],
    report: inout DeviceReport
  ) {
    let stills: Set<PixelFormat> = [.jpeg, .mjpeg]
    let codecs = coded.filter { $0.isCompressed && !stills.contains($0.format) }
    guard !codecs.isEmpty else {
      if raw.contains(where: \.isCompressed) {
        report.kind = .decoder
        report.refusal = "\(report.path) is a decoder (\(device.named)), not an encoder"
      } else if coded.contains(where: \.isCompressed) {
        report.kind = .other
        report.refusal = "\(report.path) encodes still pictures (\(device.named)), not video"
      } else {
        report.kind = .converter
        report.refusal = "\(report.path) converts pictures (\(device.named)), it does not encode"
      }
      return
    }
    report.kind = .encoder
    report.rawFormats = raw.map(\.format)
    report.codecs = codecs.map { description in
      let range = device.handle.sizeRange(of: description.format)
      return DeviceReport.Codec(
        format: description.format, minimumSize: range?.minimum, maximumSize: range?.maximum)
    }
    if !device.capabilities.canStream {
      report.refusal = "\(report.path) (\(device.named)) cannot stream (V4L2_CAP_STREAMING)"
    } else if raw.isEmpty {
      report.refusal = "\(report.path) (\(device.named)) takes no raw format"
    }
  }
}
