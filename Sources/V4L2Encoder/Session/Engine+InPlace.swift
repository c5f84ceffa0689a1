internal import Glibc

/// Frames that the driver reads where they are.
extension Engine {
  /// Queues a DMABUF; returns the errno when the driver refuses to import it.
  nonisolated(nonsending) func queueImported(
    _ image: DMABUFImage, _ index: Int, _ setup: StreamSetup, frame: VideoFrame,
    options: FrameOptions, start: MonotonicTime
  ) async throws(EncoderError) -> Errno? {
    if let refusal = setup.writer.importRefusal(frame.planes) {
      cancelReservation(of: index)
      throw EncoderError(.invalidFrame, "not the layout the encoder was opened for: \(refusal)")
    }
    return try await queueLent(
      .image(image), index, setup, frame: frame, options: options, start: start)
  }

  /// Queues memory of the application, or a copy of what the driver cannot read where it is;
  /// returns the errno when the driver refuses to read memory of the application at all.
  nonisolated(nonsending) func queueInPlace(
    _ frame: VideoFrame, _ index: Int, _ setup: StreamSetup, options: FrameOptions,
    start: MonotonicTime
  ) async throws(EncoderError) -> Errno? {
    let (obstacle, memory, addresses) = obstacle(to: frame, setup.writer)
    guard let memory, let addresses else {
      return try await queueBounced(
        frame, index, setup, because: obstacle, options: options, start: start)
    }
    let longer = setup.writer.lengthened(addresses, in: memory)
    let place = core.withLock { core in
      core.place(for: memory, at: addresses, or: longer, insteadOf: index)
    }
    guard let place else {
      return try await queueBounced(
        frame, index, setup,
        because: "its address comes again while the driver still knows what was "
          + "there before; memory that is \(FrameMemory.alignment) bytes longer prevents that",
        options: options, start: start)
    }
    return try await queueLent(
      .memory(memory, place.addresses), place.index, setup, frame: frame, options: options,
      start: start)
  }

  /// Where the driver can read a frame, or why it cannot.
  private func obstacle(
    to frame: VideoFrame, _ writer: FrameWriter
  ) -> (obstacle: String, memory: FrameMemory?, addresses: PlaneAddresses?) {
    guard case .memory(let memory, let offset) = frame.storage else {
      return ("it is in a DMABUF and the encoder was opened for memory", nil, nil)
    }
    if let refusal = writer.addressRefusal(
      frame.planes, offset: offset, byteCount: memory.byteCount)
    {
      return (refusal, nil, nil)
    }
    guard let addresses = writer.addresses(of: memory, offset: offset, planes: frame.planes) else {
      return ("a plane does not begin at a multiple of \(FrameMemory.alignment) bytes", nil, nil)
    }
    return ("", memory, addresses)
  }

  private nonisolated(nonsending) func queueBounced(
    _ frame: VideoFrame, _ index: Int, _ setup: StreamSetup, because reason: String,
    options: FrameOptions, start: MonotonicTime
  ) async throws(EncoderError) -> Errno? {
    let (known, isFirst) = core.withLock { core in
      defer { core.hasReportedCopy = true }
      return (core.bounce(index), !core.hasReportedCopy)
    }
    if isFirst { observer.event?(.frameCopied(reason)) }
    let buffer = known ?? BounceBuffer(planes: setup.writer.bytesUsed)
    let copied = try withReservation(of: index) { () throws(EncoderError) in
      try setup.writer.write(frame, into: buffer)
    }
    return try await queueLent(
      .bounced(buffer), index, setup, frame: frame, options: options, start: start,
      copied: copied)
  }

  private nonisolated(nonsending) func queueLent(
    _ input: EngineCore.Input, _ index: Int, _ setup: StreamSetup, frame: VideoFrame,
    options: FrameOptions, start: MonotonicTime, copied: Int = 0
  ) async throws(EncoderError) -> Errno? {
    do throws(EncoderError) {
      try await queue(
        ReadyFrame(
          index: index, setup: setup, presentationTime: frame.presentationTime,
          duration: frame.duration, options: options, start: start, input: input, copied: copied))
      return nil
    } catch {
      guard error.operation == "VIDIOC_QBUF", let errno = error.errno,
        [EFAULT, EINVAL, ENOMEM, EOPNOTSUPP].contains(errno.rawValue)
      else { throw error }
      return errno
    }
  }
}
