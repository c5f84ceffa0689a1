/// From a failure to the next encoder, or to the end.
extension Recovery {
  /// An encoder has failed; whoever notices first begins the one recovery.
  func noteFailure(of number: Int, _ error: EncoderError) {
    guard core.withLock({ $0.failed(number, error) }) else { return }
    let work = Task.detached { await self.recover(from: error) }
    let isClosed = core.withLock { core -> Bool in
      core.work = work
      if case .closed = core.phase { return true }
      return false
    }
    if isClosed { work.cancel() }
  }

  private func recover(from failure: EncoderError) async {
    observer.event?(.recovering(from: failure))
    let start = MonotonicTime.now
    let deadline = start + policy.limit
    var last = failure
    var attempts = 0
    await retire()
    while let attempt = nextAttempt(), await pause(before: attempt, until: deadline) {
      attempts += 1
      do throws(EncoderError) {
        let frameCount = try await tryAgain(attempt, after: last, until: deadline)
        observer.event?(
          .recovered(
            EncoderRecovery(
              cause: failure, attempts: attempts, framesEncodedAgain: frameCount,
              duration: MonotonicTime.now - start)))
        return
      } catch {
        last = error
        observer.emit(.info, "attempt \(attempts) to go on: \(error)")
        await retire()
      }
    }
    giveUp(last, after: attempts)
  }

  private func nextAttempt() -> Int? {
    let (limit, isTooMuch) = policy.attempts.addingReportingOverflow(onDeviceLost == nil ? 0 : 1)
    return core.withLock { $0.nextAttempt(atMost: isTooMuch ? .max : limit) }
  }

  /// Waits before an attempt; false when there is no time left for it.
  private func pause(before attempt: Int, until deadline: MonotonicTime) async -> Bool {
    let pause = policy.pause(before: attempt)
    guard MonotonicTime.now + pause < deadline else { return false }
    guard pause > .zero else { return !Task.isCancelled }
    do { try await Task.sleep(for: pause) } catch { return false }
    return true
  }

  /// Closes what has failed, after which nothing leaves it any more.
  private func retire() async {
    guard let current = core.withLock({ $0.current }) else { return }
    await current.encoder.close()
    let statistics = current.encoder.statistics
    core.withLock { $0.retire(current.encoder, statistics) }
  }

  /// Opens an encoder and gives it what the former one had; how many frames it took.
  private func tryAgain(
    _ attempt: Int, after error: EncoderError, until deadline: MonotonicTime
  ) async throws(EncoderError) -> Int {
    let remainder = retained.moveOn()
    announceLost(remainder.lost)
    let encoder = try await open(
      attempt, number: remainder.encoder, after: error, until: deadline)
    guard core.withLock({ $0.adopt(encoder, number: remainder.encoder) }) else {
      await encoder.close()
      throw EncoderError(.closed, "the encoder was closed during its recovery")
    }
    resumeWaiters()
    var encodedCount = 0
    for (index, frame) in remainder.frames.enumerated() {
      guard let picture = frame.picture else { continue }
      // The first picture of an encoder is a key frame unasked.
      var options = index == 0 ? FrameOptions() : frame.options
      options.waitsForRoom = true
      do throws(EncoderError) {
        try await encodeAgain(picture, options, by: encoder)
        encodedCount += 1
      } catch {
        let ends: [EncoderError.Code] = [.closed, .cancelled, .deviceLost, .deviceStalled]
        guard !ends.contains(error.code), !encoder.statistics.hasEnded else { throw error }
        retained.forget(frame)
        core.withLock { $0.refused() }
        observer.event?(
          .frameDropped(presentationTime: frame.presentationTime, reason: .refused(error)))
      }
    }
    try core.withLock { core throws(EncoderError) in try core.finishRecovery() }
    resumeWaiters()
    return encodedCount
  }

  /// Opens an encoder within the time that is left; one that comes later is closed.
  private func open(
    _ attempt: Int, number: Int, after error: EncoderError, until deadline: MonotonicTime
  ) async throws(EncoderError) -> any VideoEncoder {
    let observer = observer.telling(retained, of: number)
    let configuration = core.withLock { $0.configuration }
    let loss = DeviceLoss(
      error: error, failedAttempts: attempt - 1, isLastResort: attempt > policy.attempts,
      configuration: configuration, observer: observer)
    let opened = Deferred<Result<any VideoEncoder, EncoderError>>()
    Task.detached { [opening, onDeviceLost] in
      let result: Result<any VideoEncoder, EncoderError>
      do throws(EncoderError) {
        if let other = try await onDeviceLost?(loss) {
          result = .success(other)
        } else if loss.isLastResort {
          result = .failure(error)
        } else {
          result = .success(try await opening(configuration, observer))
        }
      } catch {
        result = .failure(error)
      }
      if !opened.fulfill(result), case .success(let late) = result { await late.close() }
    }
    let limit = deadline - .now
    let result = await withTaskCancellationHandler {
      await opened.value(within: limit)
    } onCancel: {
      opened.fulfill(.failure(EncoderError(.closed, "the encoder was closed while it was opened")))
    }
    guard let result else {
      throw EncoderError(.deviceStalled, "no encoder was opened again within \(policy.limit)")
    }
    return try result.get()
  }

  /// Gives a frame to another encoder, and waits for a reader who does not read.
  private func encodeAgain(
    _ picture: VideoFrame, _ options: FrameOptions, by encoder: any VideoEncoder
  ) async throws(EncoderError) {
    while true {
      do throws(EncoderError) {
        try await encoder.encode(picture, options: options)
        return
      } catch {
        guard error.code == .consumerStalled else { throw error }
        for waiter in core.withLock({ $0.takeCallers() }) {
          waiter.suspension.resume(returning: error)
        }
      }
    }
  }

  private func giveUp(_ last: EncoderError, after attempts: Int) {
    let remainder = retained.takeAll()
    announceLost(remainder.lost)
    let frames = remainder.frames.compactMap(\.picture)
    let error = EncoderError(
      .recoveryFailed, operation: last.operation, errno: last.errno,
      "\(last.finding); given up after \(attempts) attempts, \(frames.count) frames are not "
        + "encoded; check the device",
      framesNotEncoded: frames)
    core.withLock { $0.giveUp(error) }
    resumeWaiters()
  }
}
