/// Where one plane of a picture lies.
public struct PlaneLayout: Hashable, Sendable {
  /// Bytes from the start of the frame's memory to the plane's first row.
  public var offset: Int
  /// Bytes from one row to the next; at least the bytes of one row.
  public var bytesPerLine: Int

  /// Creates the layout of one plane.
  public init(offset: Int, bytesPerLine: Int) {
    self.offset = offset
    self.bytesPerLine = bytesPerLine
  }
}

/// One raw picture and when it is to be shown.
public struct VideoFrame: Sendable {
  /// How the pixels are laid out.
  public let format: PixelFormat
  /// The picture's size in pixels.
  public let size: VideoSize
  /// What holds the picture; it stays alive while the frame does.
  public let storage: Storage
  /// The colour planes, in the format's order (I420: Y, Cb, Cr; NV12: Y, CbCr), offsets counted
  /// from the start of the frame, or of the plane's own DMABUF.
  public let planes: [PlaneLayout]
  /// Presentation time in units of the encoder's `timeBase`.
  ///
  /// Any value is returned unchanged with the packet.
  public var presentationTime: Int64
  /// How long the picture is shown in units of the encoder's `timeBase`; zero: one frame interval.
  public var duration: Int64

  /// What holds a picture.
  public enum Storage: Sendable {
    /// Memory of this process; the frame starts `offset` bytes after the memory's start.
    case memory(FrameMemory, offset: Int)
    /// Memory that devices share.
    case dmabuf(DMABUFImage)
  }

  /// Creates a frame whose planes lie anywhere in `memory`.
  ///
  /// - Throws: `EncoderError` with code `invalidFrame` when the format is unknown, a plane is
  ///   missing, a row is shorter than the picture or a plane ends beyond the memory.
  public init(
    format: PixelFormat, size: VideoSize, memory: FrameMemory, offset: Int = 0,
    planes: [PlaneLayout], presentationTime: Int64, duration: Int64 = 0
  ) throws(EncoderError) {
    try RasterLayout.validate(
      planes, of: format, size: size, offset: offset, byteCount: memory.byteCount)
    self.init(
      checked: format, size: size, storage: .memory(memory, offset: offset), planes: planes,
      presentationTime: presentationTime, duration: duration)
  }

  /// Creates a frame in DMABUFs, to be read by the device without a copy.
  ///
  /// - Parameters:
  ///   - planes: the colour planes in the format's order; they may share one DMABUF.
  ///   - format: how the pixels are laid out.
  ///   - size: the picture's size in pixels.
  ///   - modifier: the DRM format modifier; only 0, linear, can be encoded.
  ///   - presentationTime: in units of the encoder's `timeBase`.
  ///   - duration: in units of the encoder's `timeBase`; zero: one frame interval.
  ///   - release: called once, from any thread, when neither the encoder nor anybody else needs
  ///     the picture.
  /// - Throws: `EncoderError` with code `invalidFrame` for a modifier or planes that cannot be;
  ///   `release` is called then, too.
  public init(
    dmabuf planes: [DMABUFPlane], format: PixelFormat, size: VideoSize, modifier: UInt64 = 0,
    presentationTime: Int64, duration: Int64 = 0, release: @escaping @Sendable () -> Void
  ) throws(EncoderError) {
    let image = DMABUFImage(planes: planes, release: release)
    guard modifier == 0 else {
      throw EncoderError(
        .invalidFrame,
        "DRM format modifier 0x\(String(modifier, radix: 16)) (\(modifierVendor(modifier))): "
          + "only linear pictures can be encoded; ask the producer for modifier 0")
    }
    let layouts = planes.map { PlaneLayout(offset: $0.offset, bytesPerLine: $0.bytesPerLine) }
    guard planes.allSatisfy({ $0.descriptor >= 0 && $0.offset >= 0 }) else {
      throw EncoderError(.invalidFrame, "a DMABUF plane has no descriptor or a negative offset")
    }
    // How long the DMABUFs are is the driver's to check: lengths are not known here.
    try RasterLayout.validate(layouts, of: format, size: size, offset: 0, byteCount: .max / 2)
    self.init(
      checked: format, size: size, storage: .dmabuf(image), planes: layouts,
      presentationTime: presentationTime, duration: duration)
  }

  /// Creates a frame whose rows and planes follow each other without gaps, as in a raw file.
  ///
  /// - Throws: `EncoderError` with code `invalidFrame` when the format is unknown or the memory
  ///   is too short.
  public init(
    format: PixelFormat, size: VideoSize, memory: FrameMemory, offset: Int = 0,
    presentationTime: Int64, duration: Int64 = 0
  ) throws(EncoderError) {
    let layout = try RasterLayout.packed(format, size: size)
    try self.init(
      format: format, size: size, memory: memory, offset: offset, planes: layout.planes,
      presentationTime: presentationTime, duration: duration)
  }

  private init(
    checked format: PixelFormat, size: VideoSize, storage: Storage, planes: [PlaneLayout],
    presentationTime: Int64, duration: Int64
  ) {
    self.format = format
    self.size = size
    self.storage = storage
    self.planes = planes
    self.presentationTime = presentationTime
    self.duration = duration
  }
}

extension VideoFrame: Hashable {}

extension VideoFrame.Storage: Hashable {
  /// Whether both are the same memory; what is in it is not compared.
  public static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.memory(let one, let offset), .memory(let other, let otherOffset)):
      one === other && offset == otherOffset
    case (.dmabuf(let one), .dmabuf(let other)): one === other
    case (.memory, .dmabuf), (.dmabuf, .memory): false
    }
  }

  /// Hashes which memory it is.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .memory(let memory, let offset):
      hasher.combine(ObjectIdentifier(memory))
      hasher.combine(offset)
    case .dmabuf(let image): hasher.combine(ObjectIdentifier(image))
    }
  }
}

/// Who defined a DRM format modifier, from its upper byte (drm_fourcc.h).
private func modifierVendor(_ modifier: UInt64) -> String {
  let vendors = [
    "none", "Intel", "AMD", "NVIDIA", "Samsung", "Qualcomm", "Vivante", "Broadcom", "ARM",
    "Allwinner", "Amlogic",
  ]
  let vendor = Int(modifier >> 56)
  if modifier == 0x00ff_ffff_ffff_ffff { return "invalid: the producer does not say" }
  return vendors.indices.contains(vendor) ? "tiling of \(vendors[vendor])" : "unknown vendor"
}
