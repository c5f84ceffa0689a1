internal import CV4L2
internal import Glibc

/// ENUM_FMT, G/S/TRY_FMT, ENUM_FRAMESIZES and ENUM_FRAMEINTERVALS.
extension HandleState {
  func enumerateFormats(_ argument: inout v4l2_fmtdesc) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    let index = Int(argument.index)
    var answer = v4l2_fmtdesc()
    answer.index = argument.index
    answer.type = argument.type
    switch direction {
    case .output:
      guard index < rawFormats.count else { return -EINVAL }
      answer.pixelformat = rawFormats[index].fourCC
      store(rawFormats[index].name, in: &answer.description)
    case .capture:
      let kinds = device.configuration.codedKinds
      guard index < kinds.count else { return -EINVAL }
      answer.pixelformat = kinds[index].fourCC
      answer.flags = UInt32(V4L2_FMT_FLAG_COMPRESSED) | kinds[index].flags
      store(kinds[index].name, in: &answer.description)
    }
    argument = answer
    return 0
  }

  func enumerateFrameSizes(_ argument: inout v4l2_frmsizeenum) -> Int32 {
    let isRaw = rawFormats.contains { $0.fourCC == argument.pixel_format }
    let isCoded = device.configuration.codedKinds.contains { $0.fourCC == argument.pixel_format }
    guard argument.index == 0, isRaw || isCoded else { return -EINVAL }
    let geometry = personality.geometry
    var answer = v4l2_frmsizeenum()
    answer.pixel_format = argument.pixel_format
    answer.type = V4L2_FRMSIZE_TYPE_STEPWISE.rawValue
    answer.stepwise = v4l2_frmsize_stepwise(
      min_width: UInt32(geometry.widths.lowerBound),
      max_width: UInt32(geometry.widths.upperBound),
      step_width: isRaw ? UInt32(geometry.widthStep) : 2,
      min_height: UInt32(geometry.heights.lowerBound),
      max_height: UInt32(geometry.heights.upperBound),
      step_height: isRaw ? UInt32(geometry.heightStep) : 2)
    argument = answer
    return 0
  }

  func enumerateFrameIntervals(_ argument: inout v4l2_frmivalenum) -> Int32 {
    let isRaw = rawFormats.contains { $0.fourCC == argument.pixel_format }
    let isCoded = device.configuration.codedKinds.contains { $0.fourCC == argument.pixel_format }
    let geometry = personality.geometry
    guard argument.index == 0, isRaw || isCoded,
      geometry.widths.contains(Int(argument.width)),
      geometry.heights.contains(Int(argument.height)),
      argument.width % UInt32(isRaw ? geometry.widthStep : 2) == 0,
      argument.height % UInt32(isRaw ? geometry.heightStep : 2) == 0
    else { return -EINVAL }
    argument.reserved = (0, 0)
    argument.type = V4L2_FRMIVAL_TYPE_CONTINUOUS.rawValue
    argument.stepwise = v4l2_frmival_stepwise(
      min: Self.shortestInterval, max: Self.longestInterval,
      step: v4l2_fract(numerator: 1, denominator: 1))
    return 0
  }

  static let shortestInterval = v4l2_fract(numerator: 1, denominator: 1000)
  static let longestInterval = v4l2_fract(numerator: 1000, denominator: 1)

  func getFormat(_ argument: inout v4l2_format) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    switch direction {
    case .output: describe(picture, in: &argument)
    case .capture: describe(coded, color: picture.color, in: &argument)
    }
    return 0
  }

  func tryFormat(_ argument: inout v4l2_format) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    switch direction {
    case .output:
      guard let picture = pictureFormat(argument) else { return -EINVAL }
      describe(picture, in: &argument)
    case .capture:
      guard let coded = codedFormat(argument) else { return -EINVAL }
      describe(coded, color: picture.color, in: &argument)
    }
    return 0
  }

  mutating func setFormat(_ argument: inout v4l2_format, effects: inout Effects) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    guard !self[direction].isBusy else { return -EBUSY }
    switch direction {
    case .output:
      if personality.has(.codedFormatComesFirst), !hasCodedFormat { return -EINVAL }
      guard let granted = pictureFormat(argument) else { return -EINVAL }
      picture = granted
      crop = v4l2_rect(
        left: 0, top: 0, width: UInt32(picture.width), height: UInt32(picture.height))
      followCrop()
      describe(picture, in: &argument)
    case .capture:
      guard let granted = codedFormat(argument) else { return -EINVAL }
      let previous = coded.codec
      coded = granted
      hasCodedFormat = true
      if coded.codec != previous { followCodedFormat(effects: &effects) }
      describe(coded, color: picture.color, in: &argument)
    }
    settingsGeneration += 1
    return 0
  }

  /// The coded size is the visible one in whole macroblocks.
  mutating func followCrop() {
    guard personality.geometry.codedSizeFollowsCrop else { return }
    coded.width = (Int(crop.width) + 15) & ~15
    coded.height = (Int(crop.height) + 15) & ~15
    guard !capture.isBusy else { return }
    let least = CodedFormat.sizeImage(
      width: coded.width, height: coded.height, asked: 1, rule: personality.codedBufferSize)
    coded.sizeImage = max(coded.sizeImage, least ?? 0)
  }

  /// What becomes of an OUTPUT format; nil when it is refused.
  private func pictureFormat(_ argument: v4l2_format) -> PictureFormat? {
    let fourCC: UInt32
    let size: (width: UInt32, height: UInt32)
    let stride: UInt32
    if isMultiplanar {
      let asked = argument.fmt.pix_mp
      fourCC = asked.pixelformat
      size = (asked.width, asked.height)
      stride = asked.plane_fmt.0.bytesperline
    } else {
      let asked = argument.fmt.pix
      fourCC = asked.pixelformat
      size = (asked.width, asked.height)
      stride = asked.bytesperline
    }
    let known = rawFormats.first { $0.fourCC == fourCC }
    guard let raw = known ?? (refusesUnknownFormats ? nil : rawFormats[0]),
      isTaken(width: size.width, height: size.height)
    else { return nil }
    return PictureFormat(
      raw: raw, width: size.width, height: size.height, stride: stride,
      color: requestedColor(argument) ?? Colorimetry(), geometry: personality.geometry)
  }

  private var refusesUnknownFormats: Bool { personality.has(.refusesUnknownFormats) }

  private func isTaken(width: UInt32, height: UInt32) -> Bool {
    let geometry = personality.geometry
    return geometry.beyond == .clamped
      || (geometry.widths.contains(Int(width)) && geometry.heights.contains(Int(height)))
  }

  /// What becomes of a CAPTURE format; nil when it is refused.
  private func codedFormat(_ argument: v4l2_format) -> CodedFormat? {
    let fourCC: UInt32
    let asked: UInt32
    let size: (width: UInt32, height: UInt32)
    if isMultiplanar {
      let format = argument.fmt.pix_mp
      fourCC = format.pixelformat
      asked = format.plane_fmt.0.sizeimage
      size = (format.width, format.height)
    } else {
      let format = argument.fmt.pix
      fourCC = format.pixelformat
      asked = format.sizeimage
      size = (format.width, format.height)
    }
    let kinds = device.configuration.codedKinds
    let known = kinds.first { $0.fourCC == fourCC }
    guard let kind = known ?? (refusesUnknownFormats ? nil : kinds.first ?? .h264) else {
      return nil
    }
    var format = CodedFormat(
      kind: kind, width: coded.width, height: coded.height, sizeImage: 0)
    if !personality.geometry.codedSizeFollowsCrop {
      guard isTaken(width: size.width, height: size.height) else { return nil }
      let fitted = PictureFormat(
        raw: rawFormats[0], width: size.width, height: size.height, stride: 0,
        color: Colorimetry(), geometry: personality.geometry)
      format.width = fitted.width
      format.height = fitted.height
    }
    guard
      let sizeImage = CodedFormat.sizeImage(
        width: format.width, height: format.height, asked: asked,
        rule: personality.codedBufferSize)
    else { return nil }
    format.sizeImage = sizeImage
    return format
  }

  /// The colours a client set; nil when it left them open.
  private func requestedColor(_ argument: v4l2_format) -> Colorimetry? {
    if isMultiplanar {
      let asked = argument.fmt.pix_mp
      guard asked.colorspace != 0 else { return nil }
      return Colorimetry(
        colorSpace: asked.colorspace, matrix: UInt32(asked.ycbcr_enc),
        quantization: UInt32(asked.quantization), transfer: UInt32(asked.xfer_func))
    }
    let asked = argument.fmt.pix
    guard asked.colorspace != 0 else { return nil }
    // The kernel looks at the members behind `priv` only when a client says it knows them.
    guard asked.priv == UInt32(V4L2_PIX_FMT_PRIV_MAGIC) else {
      return Colorimetry(colorSpace: asked.colorspace, matrix: 0, quantization: 0, transfer: 0)
    }
    return Colorimetry(
      colorSpace: asked.colorspace, matrix: asked.ycbcr_enc, quantization: asked.quantization,
      transfer: asked.xfer_func)
  }

  private func describe(_ format: PictureFormat, in argument: inout v4l2_format) {
    describe(
      fourCC: format.raw.fourCC, width: format.width, height: format.height, color: format.color,
      planes: (0..<format.raw.memoryPlanes).map {
        (format.stride(ofPlane: $0), format.size(ofPlane: $0))
      }, in: &argument)
  }

  private func describe(
    _ format: CodedFormat, color: Colorimetry, in argument: inout v4l2_format
  ) {
    describe(
      fourCC: format.kind.fourCC, width: format.width, height: format.height, color: color,
      planes: [(0, format.sizeImage)], in: &argument)
  }

  private func describe(
    fourCC: UInt32, width: Int, height: Int, color: Colorimetry,
    planes: [(stride: Int, size: Int)], in argument: inout v4l2_format
  ) {
    let type = argument.type
    argument = v4l2_format()
    argument.type = type
    guard isMultiplanar else {
      var answer = v4l2_pix_format()
      answer.width = UInt32(width)
      answer.height = UInt32(height)
      answer.pixelformat = fourCC
      answer.field = V4L2_FIELD_NONE.rawValue
      answer.bytesperline = UInt32(planes[0].stride)
      answer.sizeimage = UInt32(planes[0].size)
      answer.colorspace = color.colorSpace
      answer.priv = UInt32(V4L2_PIX_FMT_PRIV_MAGIC)
      answer.ycbcr_enc = color.matrix
      answer.quantization = color.quantization
      answer.xfer_func = color.transfer
      argument.fmt.pix = answer
      return
    }
    var answer = v4l2_pix_format_mplane()
    answer.width = UInt32(width)
    answer.height = UInt32(height)
    answer.pixelformat = fourCC
    answer.field = V4L2_FIELD_NONE.rawValue
    answer.colorspace = color.colorSpace
    answer.ycbcr_enc = UInt8(color.matrix)
    answer.quantization = UInt8(color.quantization)
    answer.xfer_func = UInt8(color.transfer)
    answer.num_planes = UInt8(planes.count)
    withUnsafeMutableBytes(of: &answer.plane_fmt) { bytes in
      for (index, plane) in planes.enumerated() {
        var description = v4l2_plane_pix_format()
        description.bytesperline = UInt32(plane.stride)
        description.sizeimage = UInt32(plane.size)
        bytes.storeBytes(
          of: description, toByteOffset: index * MemoryLayout<v4l2_plane_pix_format>.stride,
          as: v4l2_plane_pix_format.self)
      }
    }
    argument.fmt.pix_mp = answer
  }
}

/// Stores text in a character array of a C struct, with its end marked.
func store<Field>(_ text: String, in field: inout Field) {
  withUnsafeMutableBytes(of: &field) { bytes in
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    bytes.copyBytes(from: text.utf8.prefix(bytes.count - 1))
  }
}
