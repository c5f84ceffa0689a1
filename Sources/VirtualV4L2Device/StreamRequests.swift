internal import CV4L2
internal import Glibc
internal import V4L2Encoder

/// PREPARE_BUF, QBUF, DQBUF, STREAMON, STREAMOFF and ENCODER_CMD.
extension HandleState {
  /// PREPARE_BUF (`queues` false) and QBUF.
  mutating func queueBuffer(
    _ argument: inout v4l2_buffer, queues: Bool, caller: any CallerMemory,
    effects: inout Effects
  ) -> Int32 {
    guard let direction = direction(of: argument.type) else { return -EINVAL }
    let index = Int(argument.index)
    guard index < self[direction].buffers.count, argument.memory == self[direction].memory else {
      return -EINVAL
    }
    if argument.flags & UInt32(V4L2_BUF_FLAG_REQUEST_FD) != 0 {
      return direction == .capture ? -EPERM : -EBADR
    }
    let planeCount = self[direction].buffers[index].planes.count
    var failure: Int32 = 0
    guard
      var exchange = BufferArgument(
        argument, isMultiplanar: isMultiplanar, planeCount: planeCount, caller: caller,
        failure: &failure)
    else { return failure }
    guard self[direction].buffers[index].state == .dequeued else { return -EINVAL }
    if direction == .output, queues, refusesFrames { return -EIO }
    if !self[direction].buffers[index].isPrepared || !queues {
      guard !self[direction].buffers[index].isPrepared else { return -EINVAL }
      failure = prepare(exchange, direction, index, caller: caller)
      guard failure == 0 else { return failure }
      self[direction].buffers[index].isPrepared = true
    }
    if queues {
      take(argument, direction, index)
      if direction == .output, personality.drain.endsAtEmptyFrame {
        self[direction].buffers[index].endsStream = exchange.plane(0).bytesUsed == 0
      }
      if direction == .capture, drain.isDraining {
        endDrainWithoutFrames()
        effects.notifies = true
      }
    }
    exchange.describe(self[direction].buffers[index], index: index, in: self[direction])
    failure = exchange.writePlanes(planeCount, caller: caller)
    argument = exchange.header
    if queues { effects.wakesWorker = true }
    return failure
  }

  private var refusesFrames: Bool {
    personality.has(.refusesFramesAfterStop) && (drain.isDraining || drain.hasStopped)
  }

  /// Checks the planes as vb2 does and attaches imported memory.
  private mutating func prepare(
    _ exchange: BufferArgument, _ direction: Direction, _ index: Int, caller: any CallerMemory
  ) -> Int32 {
    let planeCount = self[direction].buffers[index].planes.count
    guard planeCount == self.planeCount(direction) else { return -EINVAL }
    if direction == .output, exchange.header.field == V4L2_FIELD_ALTERNATE.rawValue {
      return -EINVAL
    }
    if self[direction].memory != V4L2_MEMORY_MMAP.rawValue {
      let failure = attach(exchange, direction, index, caller)
      guard failure == 0 else { return failure }
    }
    for number in 0..<(isContiguous ? 1 : planeCount) {
      let length = Int(self[direction].buffers[index].planes[number].length)
      let needed = planeLength(direction, number)
      guard length >= needed else { return -EINVAL }
      guard direction == .output else { continue }
      let user = exchange.plane(number)
      let used = user.bytesUsed == 0 ? length : Int(user.bytesUsed)
      let start = Int(user.dataOffset)
      guard used <= length, start == 0 || start < used, length - start >= needed else {
        return -EINVAL
      }
    }
    for number in 0..<planeCount {
      let user = exchange.plane(number)
      let length = self[direction].buffers[index].planes[number].length
      // An OUTPUT buffer that says it is empty is a full one: old clients never fill it in.
      let used = user.bytesUsed == 0 ? length : user.bytesUsed
      self[direction].buffers[index].planes[number].bytesUsed = direction == .output ? used : 0
      self[direction].buffers[index].planes[number].dataOffset =
        direction == .output ? user.dataOffset : 0
    }
    self[direction].buffers[index].field =
      direction == .output && exchange.header.field != V4L2_FIELD_ANY.rawValue
      ? exchange.header.field : V4L2_FIELD_NONE.rawValue
    return 0
  }

  /// Attaches the memory of all planes, or of none.
  private mutating func attach(
    _ exchange: BufferArgument, _ direction: Direction, _ index: Int, _ caller: any CallerMemory
  ) -> Int32 {
    var planes = self[direction].buffers[index].planes
    for number in planes.indices {
      let user = exchange.plane(number)
      let needed = planeLength(direction, number)
      let failure =
        self[direction].memory == V4L2_MEMORY_USERPTR.rawValue
        ? attachPointer(user, to: &planes[number], needed, caller)
        : attachDescriptor(
          user, to: &planes[number], needed, caller, isWritable: direction == .capture)
      guard failure == 0 else { return failure }
    }
    self[direction].buffers[index].planes = planes
    return 0
  }

  private func attachPointer(
    _ user: BufferArgument.UserPlane, to plane: inout PlaneBuffer, _ needed: Int,
    _ caller: any CallerMemory
  ) -> Int32 {
    guard caller.sharesAddressSpace, Int(user.length) >= needed,
      let address = UnsafeMutableRawPointer(bitPattern: UInt(user.pointer))
    else { return -EINVAL }
    plane.address = address
    plane.length = user.length
    plane.userValue = user.pointer
    return 0
  }

  private func attachDescriptor(
    _ user: BufferArgument.UserPlane, to plane: inout PlaneBuffer, _ needed: Int,
    _ caller: any CallerMemory, isWritable: Bool
  ) -> Int32 {
    guard user.descriptor >= 0 else { return -EINVAL }
    // As videobuf2: of an OUTPUT plane the bytes used are compared with the length that the caller
    // names before a length of zero is replaced; its single-planar path does not do that.
    if isMultiplanar, !isWritable, user.bytesUsed > user.length { return -EINVAL }
    let descriptor = caller.duplicateDescriptor(user.descriptor)
    guard descriptor >= 0 else { return -EINVAL }
    switch ImportedMemory.adopt(descriptor, isWritable: isWritable, previous: plane.imported) {
    case .failure(let error): return -error.rawValue
    case .success(let imported):
      let length = user.length == 0 ? imported.length : Int(user.length)
      guard length <= imported.length, length >= needed else { return -EINVAL }
      plane.imported = imported
      plane.address = imported.address
      plane.length = UInt32(clamping: length)
      plane.userValue = UInt64(user.descriptor)
      return 0
    }
  }

  /// Moves a prepared buffer to the worker's queue.
  private mutating func take(_ argument: v4l2_buffer, _ direction: Direction, _ index: Int) {
    var kept = UInt32(V4L2_BUF_FLAG_TSTAMP_SRC_MASK)
    if direction == .output {
      kept |= UInt32(
        V4L2_BUF_FLAG_TIMECODE | V4L2_BUF_FLAG_KEYFRAME | V4L2_BUF_FLAG_PFRAME
          | V4L2_BUF_FLAG_BFRAME)
      let hasTime =
        !personality.has(.copiesTimesOnRequest)
        || argument.flags & UInt32(V4L2_BUF_FLAG_TIMESTAMP_COPY) != 0
      self[direction].buffers[index].timestamp = hasTime ? argument.timestamp : timeval()
      self[direction].buffers[index].forcesKeyFrame = forcesNextKeyFrame
      forcesNextKeyFrame = false
      if argument.flags & UInt32(V4L2_BUF_FLAG_TIMECODE) != 0 {
        self[direction].buffers[index].timecode = argument.timecode
      }
    } else {
      kept = 0
    }
    self[direction].buffers[index].flags = argument.flags & kept
    self[direction].buffers[index].isFaulty = false
    self[direction].buffers[index].state = .queued
    self[direction].queued.append(index)
    self[direction].outstanding += 1
  }

  mutating func dequeueBuffer(
    _ argument: inout v4l2_buffer, caller: any CallerMemory, effects: inout Effects
  ) -> Int32 {
    guard let direction = direction(of: argument.type), self[direction].isStreaming else {
      return -EINVAL
    }
    guard let index = self[direction].done.first else {
      return self[direction].hasEnded ? -EPIPE : -EAGAIN
    }
    let planeCount = self[direction].buffers[index].planes.count
    var failure: Int32 = 0
    guard
      var exchange = BufferArgument(
        argument, isMultiplanar: isMultiplanar, planeCount: planeCount, caller: caller,
        failure: &failure)
    else { return failure }
    var buffer = self[direction].buffers[index]
    buffer.state = .dequeued
    buffer.isPrepared = false
    exchange.describe(buffer, index: index, in: self[direction])
    failure = exchange.writePlanes(planeCount, caller: caller)
    guard failure == 0 else { return failure }
    self[direction].done.removeFirst()
    self[direction].outstanding -= 1
    self[direction].buffers[index] = buffer
    if direction == .capture, buffer.flags & UInt32(V4L2_BUF_FLAG_LAST) != 0 {
      self[direction].hasEnded = personality.drain.endsWithBrokenPipe
    }
    argument = exchange.header
    return 0
  }

  mutating func streamOn(_ type: UInt32, effects: inout Effects) -> Int32 {
    guard let direction = direction(of: type) else { return -EINVAL }
    if self[direction].isStreaming { return 0 }
    guard self[direction].isBusy else { return -EINVAL }
    if let failure = startFailure(direction) { return -failure }
    self[direction].isStreaming = true
    if personality.has(.ignoresControlsWhileStreaming) { settingsGeneration += 1 }
    if direction == .output { drain.lastSource = nil }
    effects.wakesWorker = true
    return 0
  }

  /// Why a queue cannot start with what was set before.
  private func startFailure(_ direction: Direction) -> Int32? {
    if direction == .output {
      guard output.buffers.count >= personality.buffers.neededOutput else { return EINVAL }
      if personality.has(.streamingNeedsSufficientLevel), !isLevelSufficient { return ESRCH }
    }
    if personality.has(.streamingNeedsCropOfCodedSize),
      direction == .output ? capture.isStreaming : output.isStreaming,
      Int(crop.width) != coded.width || Int(crop.height) != coded.height
    {
      return EINVAL
    }
    return nil
  }

  private var isLevelSufficient: Bool {
    guard coded.codec == .h264 else { return true }
    let macroblocks = Int((crop.width + 15) / 16) * Int((crop.height + 15) / 16)
    let rate = Double(interval.denominator) / Double(max(1, interval.numerator))
    return H264Levels.allows(
      controls[V4L2_CID_MPEG_VIDEO_H264_LEVEL], macroblocks: macroblocks, framesPerSecond: rate)
  }

  /// Stops a queue; the caller ends the worker first and then calls `finishStreamOff`.
  mutating func streamOff(_ type: UInt32, effects: inout Effects) -> Int32 {
    guard let direction = direction(of: type) else { return -EINVAL }
    if isStreaming, personality.has(.encodesOnce) { isSpent = true }
    effects.stops = direction
    effects.notifies = true
    return 0
  }

  mutating func finishStreamOff(_ direction: Direction) {
    self[direction].cancel()
    switch direction {
    case .capture:
      drain = DrainState()
    case .output:
      // A drain goes on without the frames that went back: the next CAPTURE buffer is the last.
      drain.lastSource = nil
      endDrainWithoutFrames()
    }
  }

  /// Ends a drain whose frames went back with STREAMOFF of OUTPUT.
  private mutating func endDrainWithoutFrames() {
    guard drain.isDraining, !output.isStreaming, worker == .none, capture.isStreaming,
      !capture.queued.isEmpty
    else { return }
    completeLast(capture.queued.removeFirst())
  }

  /// Ends the drain, usually with an empty CAPTURE buffer that has the LAST flag.
  mutating func completeLast(_ index: Int) {
    guard personality.drain.end.hasBuffer else {
      capture.buffers[index].state = .queued
      capture.queued.insert(index, at: 0)
      capture.hasEnded = true
      endDrain()
      return
    }
    capture.buffers[index].planes[0].bytesUsed = 0
    capture.buffers[index].flags =
      personality.drain.end == .emptyBuffer ? 0 : UInt32(V4L2_BUF_FLAG_LAST)
    capture.buffers[index].timestamp = timeval()
    capture.buffers[index].sequence = capture.sequence
    capture.sequence &+= 1
    capture.complete(index)
    endDrain()
  }

  /// What follows when everything is out.
  mutating func endDrain() {
    drain = DrainState()
    drain.hasStopped = true
    if personality.events.endOfStream == .sent { events.postEndOfStream() }
  }

  mutating func encoderCommand(
    _ argument: inout v4l2_encoder_cmd, isTrial: Bool, effects: inout Effects
  ) -> Int32 {
    let command = argument.cmd
    argument = v4l2_encoder_cmd()
    argument.cmd = command
    guard command == UInt32(V4L2_ENC_CMD_START) || command == UInt32(V4L2_ENC_CMD_STOP) else {
      return -EINVAL
    }
    let rule = personality.drain
    let isStart = command == UInt32(V4L2_ENC_CMD_START)
    if isStart, rule.start == .isRefused { return -EINVAL }
    guard !isTrial else { return 0 }
    guard isStreaming else { return rule.refusesWhenIdle ? -EINVAL : 0 }
    guard !drain.isDraining else { return rule.isBusyMeanwhile ? -EBUSY : 0 }
    if !isStart || rule.start == .stops {
      guard !drain.hasStopped else { return 0 }
      drain.isDraining = true
      drain.lastSource = output.queued.last ?? output.buffers.firstIndex { $0.state == .active }
      effects.wakesWorker = true
    } else if drain.hasStopped, rule.start == .resumes {
      drain.hasStopped = false
      capture.hasEnded = false
      effects.wakesWorker = true
      effects.notifies = true
    }
    return 0
  }
}
