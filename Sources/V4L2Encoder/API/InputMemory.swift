/// Where frames come from, as far as the driver must know it beforehand.
///
/// When the driver cannot read them where they are, because its format or its lines differ or it
/// refuses, the frames are copied instead; `NegotiationReport.isZeroCopy` and an event say so, and
/// `EncoderStatistics.bytesCopied` counts.
public enum InputMemory: Hashable, Sendable {
  /// Anywhere: each frame is copied or converted into the driver's own buffers.
  case copied
  /// DMABUFs whose colour planes all lie like this; the driver reads them where they are.
  ///
  /// `offset` counts from the start of the plane's own DMABUF.
  case dmabuf(planes: [PlaneLayout])
  /// Memory of this process in which the colour planes all lie like this; the driver reads it where
  /// it is (V4L2_MEMORY_USERPTR).
  ///
  /// `offset` counts from the start of the frame. A frame's memory must reach to the end of the
  /// driver's planes, padding included (`NegotiationReport.planeSizes`), and each of these planes
  /// must begin at a multiple of 128 bytes, as memory that `FrameMemory` allocates does. Where
  /// addresses come again (memory that goes round, or is freed and allocated again), 128 bytes more
  /// than the driver's planes need let the driver be told that something new is there. A frame
  /// that is otherwise is copied, and the first time an event says so. The memory is released when
  /// the driver has returned it, all of it at the end of a drain; the kernel may keep the pages
  /// behind it pinned until the encoder is closed.
  case userPointer(planes: [PlaneLayout])
}

extension InputMemory {
  /// Where the planes lie; nil when it does not matter.
  var planes: [PlaneLayout]? {
    switch self {
    case .copied: nil
    case .dmabuf(let planes), .userPointer(let planes): planes
    }
  }

  /// The memory of the OUTPUT queue (raw frames) that reads such frames where they are.
  var bufferMemory: BufferMemory {
    switch self {
    case .copied: .mapped
    case .dmabuf: .imported
    case .userPointer: .userPointer
    }
  }

  /// What the frames are called in a message.
  var words: String {
    switch self {
    case .copied: "frames in place"
    case .dmabuf: "DMABUFs"
    case .userPointer: "memory of the application (USERPTR)"
    }
  }
}
