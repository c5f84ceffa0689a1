extension VirtualDevice.Personality {
  /// What `VIDIOC_QUERYCAP` answers.
  package struct Identity: Hashable, Sendable {
    package var driver: String
    package var card: String
    package var bus: String

    package init(driver: String, card: String, bus: String) {
      self.driver = driver
      self.card = card
      self.bus = bus
    }
  }

  /// Which pictures are taken, and what becomes of others.
  package struct Geometry: Hashable, Sendable {
    /// What happens to a size beyond the limits.
    package enum Beyond: Hashable, Sendable {
      /// The nearest size within them.
      case clamped
      /// EINVAL.
      case refused
    }

    package var widths = 16...4096
    package var heights = 16...4096
    /// Columns and rows of a raw buffer come in multiples of these, rounded up.
    package var widthStep = 2
    /// Hardware wants whole macroblocks of rows, 16; FFmpeg's encoders then read past the end of a
    /// picture of 1080 rows, as they copy all the rows that the device padded it to.
    package var heightStep = 8
    package var beyond = Beyond.clamped
    /// Whether the CAPTURE format's size is the visible one in whole macroblocks; else it is what
    /// S_FMT CAPTURE says, and nothing else changes it.
    package var codedSizeFollowsCrop = true

    package init() {}
  }

  /// What becomes of the `sizeimage` of the CAPTURE format.
  package enum CodedBufferSize: Hashable, Sendable {
    /// A little more than the raw samples unless something else is asked for, and never less than
    /// an eighth of that.
    case generous
    /// What is asked for, but at least one of two sizes, by the number of pixels.
    case atLeast(Int, upToPixels: Int, above: Int)
    /// What is asked for, within so many bits for each pixel.
    case bitsPerPixel(ClosedRange<Int>)
    /// What is asked for; zero is EINVAL or kept.
    case verbatim(refusesZero: Bool)
  }

  /// What S_SELECTION of the crop rectangle does.
  package enum CropRule: Hashable, Sendable {
    /// Any even rectangle within the buffer.
    case anywhere
    /// Any even size within the buffer, from its first pixel.
    case fromOrigin
    /// From the first pixel, and never larger than before.
    case shrinking
  }

  /// Where the time between two frames is set.
  package struct FrameRateRule: Hashable, Sendable {
    /// Whether S_PARM OUTPUT is taken.
    package var isTakenOnOutput = true
    /// Whether S_PARM CAPTURE is taken.
    package var isTakenOnCapture = true
    /// Whether CAPTURE alone decides on the coded rate, and OUTPUT is only a hint.
    package var isDecidedByCapture = false
    /// The error number of a fraction with a zero; nil takes the default rate.
    package var zeroFailure: Int32?
    /// Frames per second beyond which S_PARM fails, and how.
    package var limit: Limit?
    /// The interval before any S_PARM, in seconds.
    package var initial = Fraction(numerator: 1, denominator: 30)

    package struct Limit: Hashable, Sendable {
      package var framesPerSecond: UInt32
      package var failure: Int32
    }

    package struct Fraction: Hashable, Sendable {
      package var numerator: UInt32
      package var denominator: UInt32
    }

    package init() {}
  }

  /// Numbers and kinds of buffers.
  package struct BufferRule: Hashable, Sendable {
    /// Where a buffer's memory may come from.
    package enum Memory: Hashable, Sendable, CaseIterable { case mapped, userPointer, dmabuf }

    package var output = Set(Memory.allCases)
    package var capture = Set(Memory.allCases)
    /// REQBUFS grants at least as many.
    package var leastOutput = 1
    package var leastCapture = 1
    /// STREAMON of OUTPUT fails with EINVAL when fewer were allocated.
    package var neededOutput = 1
    /// Bytes of a CAPTURE buffer before the payload, `data_offset`; counted in `bytesused`.
    package var captureOffset = 0

    package init() {}
  }

  /// How a drain goes.
  package struct DrainRule: Hashable, Sendable {
    /// What tells a client that everything is out.
    package enum End: Hashable, Sendable {
      /// The LAST flag on the last packet, or on an empty buffer when it is already out.
      case lastFlag
      /// The LAST flag on the last packet; no buffer but EPIPE when it is already out.
      case lastFlagOrBrokenPipe
      /// An empty buffer with the LAST flag after the last packet.
      case emptyLast
      /// An empty buffer without a flag.
      case emptyBuffer
      /// No buffer: DQBUF answers EPIPE.
      case brokenPipe

      /// Whether the last packet's buffer has the LAST flag.
      var marksLastPacket: Bool { self == .lastFlag || self == .lastFlagOrBrokenPipe }
      /// Whether a buffer of its own says that everything is out, where the last packet does not.
      var hasBuffer: Bool { self != .brokenPipe && self != .lastFlagOrBrokenPipe }
    }

    /// What `V4L2_ENC_CMD_START` does.
    package enum Start: Hashable, Sendable {
      /// It lets encoding go on after a drain.
      case resumes
      /// It answers 0 and does nothing.
      case isIgnored
      /// It drains, since the driver looks at no command.
      case stops
      /// It fails with EINVAL.
      case isRefused
    }

    package var end = End.lastFlag
    package var start = Start.resumes
    /// Whether DQBUF answers EPIPE after the end; else EAGAIN.
    package var endsWithBrokenPipe = true
    /// Whether a command during a drain answers EBUSY; else 0.
    package var isBusyMeanwhile = true
    /// Whether a command before both queues stream fails with EINVAL; else it answers 0.
    package var refusesWhenIdle = false
    /// Whether an OUTPUT buffer without bytes ends the stream; else it is a full one.
    package var endsAtEmptyFrame = false

    package init() {}
  }

  /// What poll(2) reports.
  package enum Polling: Hashable, Sendable {
    /// As `v4l2_m2m_poll` does.
    case complete
    /// POLLIN alone, when either queue has a buffer to give back.
    case inputOnly
    /// POLLIN and POLLOUT at all times.
    case useless
  }

  /// Which events can be subscribed to.
  package struct EventRule: Hashable, Sendable {
    /// What becomes of `V4L2_EVENT_EOS`.
    package enum EndOfStream: Hashable, Sendable { case sent, neverSent, unknown }

    package var endOfStream = EndOfStream.sent
    package var hasControlEvents = true

    package init() {}
  }

  /// What the frame-type flags of a packet's buffer say.
  package enum FrameTypeFlags: Hashable, Sendable {
    case right
    /// None is ever set.
    case missing
    /// A key frame of H.264 is said to be predicted.
    case predictedInH264
  }

  /// What makes a driver differ in a way of its own.
  package enum Deviation: String, Hashable, Sendable, CaseIterable {
    /// STREAMON fails with ESRCH while the level is too low for size, rate and bitrate.
    case streamingNeedsSufficientLevel
    /// STREAMON fails with EINVAL while the crop rectangle is not the CAPTURE format's size.
    case streamingNeedsCropOfCodedSize
    /// S_FMT of OUTPUT fails with EINVAL before one of CAPTURE.
    case codedFormatComesFirst
    /// S_FMT of an unknown FourCC fails with EINVAL; else the first format is given.
    case refusesUnknownFormats
    /// S_EXT_CTRLS fails with EINVAL unless `ctrl_class` names the class of codec controls.
    case controlsNeedTheirClass
    /// Controls are kept but not followed while the queues stream.
    case ignoresControlsWhileStreaming
    /// Once the queues were stopped, nothing is encoded any more before the device is opened again.
    case encodesOnce
    /// A value beyond a control's range is EINVAL; else the nearest one is taken.
    case refusesControlsOutOfRange
    /// A bitrate of zero stands for one computed from size and rate.
    case computesBitrateOfZero
    /// The frame rate is cut to a whole number, while S_PARM answers what was asked for.
    case keepsWholeFrameRates
    /// Parameter sets in a buffer of their own have the timestamp 0.
    case separateHeadersHaveNoTime
    /// QBUF of OUTPUT fails with EIO once a drain was begun.
    case refusesFramesAfterStop
    /// Timestamps are not copied, and no flag says that they were.
    case doesNotCopyTimes
    /// Timestamps are copied only of frames queued with the flag TIMESTAMP_COPY.
    case copiesTimesOnRequest
    /// The planes of a frame lie one after the other in the first one's memory; the others have
    /// the length 0.
    case planesAreContiguous
    /// `sequence` is 0 in every buffer.
    case countsNothing
  }
}
