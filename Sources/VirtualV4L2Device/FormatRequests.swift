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
      let codecs = device.configuration.codecs
      guard index < codecs.count else { return -EINVAL }
      answer.pixelformat = codecs[index].fourCC
      answer.flags = UInt32(V4L2_FMT_FLAG_COMPRESSED)
      store(codecs[index].name, in: &answer.description)
    }
    argument = answer
    return 0
  }

  func enumerateFrameSizes(_ argument: inout v4l2_frmsizeenum) -> Int32 {
    let isRaw = rawFormats.contains { $0.fourCC == argument.pixel_format }
    let isCoded = device.configuration.codecs.contains { $0.fourCC == argument.pixel_format }
    guard argument.index == 0, isRaw || isCoded else { return -EINVAL }
    var answer = v4l2_frmsizeenum()
    answer.pixel_format = argument.pixel_format
    answer.type = V4L2_FRMSIZE_TYPE_STEPWISE.rawValue
    let smallest = UInt32(PictureFormat.sizes.lowerBound)
    let largest = UInt32(PictureFormat.sizes.upperBound)
    answer.stepwise = v4l2_frmsize_stepwise(
      min_width: smallest, max_width: largest, step_width: 2,
      min_height: smallest, max_height: largest,
      step_height: isRaw ? UInt32(PictureFormat.rowAlignment) : 2)
    argument = answer
    return 0
  }

  func enumerateFrameIntervals(_ argument: inout v4l2_frmivalenum) -> Int32 {
    let isRaw = rawFormats.contains { $0.fourCC == argument.pixel_format }
    let isCoded = device.configuration.codecs.contains { $0.fourCC == argument.pixel_format }
    let sizes = UInt32(PictureFormat.sizes.lowerBound)...UInt32(PictureFormat.sizes.upperBound)
    guard argument.index == 0, isRaw || isCoded, sizes.contains(argument.width),
      sizes.contains(argument.height), argument.width % 2 == 0,
      argument.height % (isRaw ? UInt32(PictureFormat.rowAlignment) : 2) == 0
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
    case .output: describe(pictureFormat(argument), in: &argument)
    case .capture: describe(codedFormat(argument), color: picture.color, in: &argument)
    }
    return 0
  }

  mutating func setFormat(_ argument: inout v4l2_format, effects: inout Effects) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    guard !self[direction].isBusy else { return -EBUSY }
    switch direction {
    case .output:
      picture = pictureFormat(argument)
      crop = v4l2_rect(
        left: 0, top: 0, width: UInt32(picture.width), height: UInt32(picture.height))
      followCrop()
      describe(picture, in: &argument)
    case .capture:
      let previous = coded.codec
      coded = codedFormat(argument)
      if coded.codec != previous { followCodedFormat(effects: &effects) }
      describe(coded, color: picture.color, in: &argument)
    }
    settingsGeneration += 1
    return 0
  }

  /// The coded size is the visible one in whole macroblocks.
  mutating func followCrop() {
    coded.width = (Int(crop.width) + 15) & ~15
    coded.height = (Int(crop.height) + 15) & ~15
    guard !capture.isBusy else { return }
    let least = CodedFormat.sizeImage(width: coded.width, height: coded.height, asked: 1)
    coded.sizeImage = max(coded.sizeImage, least)
  }

  private func pictureFormat(_ argument: v4l2_format) -> PictureFormat {
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
    return PictureFormat(
      raw: rawFormats.first { $0.fourCC == fourCC } ?? rawFormats[0], width: size.width,
      height: size.height, stride: stride, color: requestedColor(argument) ?? Colorimetry())
  }

  private func codedFormat(_ argument: v4l2_format) -> CodedFormat {
    let fourCC: UInt32
    let asked: UInt32
    if isMultiplanar {
      fourCC = argument.fmt.pix_mp.pixelformat
      asked = argument.fmt.pix_mp.plane_fmt.0.sizeimage
    } else {
      fourCC = argument.fmt.pix.pixelformat
      asked = argument.fmt.pix.sizeimage
    }
    let codecs = device.configuration.codecs
    return CodedFormat(
      codec: codecs.first { $0.fourCC == fourCC } ?? codecs.first ?? .h264,
      width: coded.width, height: coded.height,
      sizeImage: CodedFormat.sizeImage(width: coded.width, height: coded.height, asked: asked))
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
      fourCC: format.codec.fourCC, width: format.width, height: format.height, color: color,
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
