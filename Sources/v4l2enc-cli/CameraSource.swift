internal import V4L2Encoder

/// A camera's frames with their own times, counted from the first one.
///
/// When the camera's signal becomes another one, the frames end, as if the input did; `advance`
/// goes on with the new ones.
final class CameraSource: FrameSource {
  private struct State {
    /// What the frames of the present run have in common.
    var format: CaptureFormat
    var pictures: CameraPictures
    /// The first frame that does not fit in with those before it.
    var next: CapturedFrame?
    /// The driver's time of the first frame.
    var start: Int64?
    /// Frames that are missing between those that were taken.
    var framesLost = 0
    var isOver = false
    var timer: Task<Void, Never>?
  }

  /// What is to become of a frame.
  private enum Verdict {
    case encode(time: Int64, FrameScaler?)
    /// It is unlike those before it.
    case another(time: Int64)
    /// It comes after the end.
    case over
  }

  private let camera: CaptureSource
  private let options: CaptureOptions
  private let origins: FrameOrigins?
  /// What pictures are scaled to, a format that the encoder takes.
  private let scaledFormat: PixelFormat
  private let state: Locked<State>

  /// What `description` says of times: the drivers' time stamps are in microseconds.
  static let timeBase = Rational(1, 1_000_000)

  init(
    _ camera: CaptureSource, _ options: CaptureOptions, scaledFormat: PixelFormat
  ) throws(CommandError) {
    self.camera = camera
    self.options = options
    self.scaledFormat = scaledFormat
    origins = options.encode.statisticsPath == nil ? nil : FrameOrigins()
    let format = camera.current
    let pictures = try CameraPictures(format, options, scaledFormat: scaledFormat)
    state = Locked(State(format: format, pictures: pictures))
  }

  var description: SourceDescription { state.withLock { $0.pictures.description } }

  func next(_ number: Int64) async throws(CommandError) -> VideoFrame? {
    // Only a run's first frame can have been put aside by the one before.
    let kept = number == 0 ? state.withLock { $0.next.take() } : nil
    guard let captured = kept == nil ? try await captured() : kept else { return nil }
    switch verdict(on: captured) {
    case .over: return nil
    case .encode(let time, let scaler): return try frame(captured, at: time, scaler)
    case .another(let time):
      let pictures = try CameraPictures(captured.format, options, scaledFormat: scaledFormat)
      guard options.scale != nil, pictures.description.isLike(description) else {
        state.withLock { $0.next = captured }
        return nil
      }
      // The encoder goes on: only the way to the size that was asked for is another.
      state.withLock { state in
        state.format = captured.format
        state.pictures.scaler = pictures.scaler
        state.framesLost += captured.framesLostBefore
      }
      return try frame(captured, at: time, pictures.scaler)
    }
  }

  func origin(of time: Int64) -> FrameOrigin? { origins?.take(time) }

  /// Goes on with frames that are unlike those before; false when there are none.
  func advance() throws(CommandError) -> Bool {
    guard let format = state.withLock({ $0.isOver ? nil : $0.next?.format }) else { return false }
    try adopt(format)
    return true
  }

  /// Frames that the camera lost between those that were taken.
  var framesLost: Int { state.withLock { $0.framesLost } }

  /// What the camera counted, of frames that nobody took as well.
  var statistics: CaptureStatistics { camera.statistics }

  /// Stops the camera.
  func close() async {
    state.withLock { $0.timer }?.cancel()
    await camera.close()
  }

  private func captured() async throws(CommandError) -> CapturedFrame? {
    var iterator = camera.frames.makeAsyncIterator()
    do { return try await iterator.next(isolation: nil) } catch { throw CommandError(error) }
  }

  private func verdict(on captured: CapturedFrame) -> Verdict {
    let stamp = captured.frame.presentationTime
    let limit = options.duration?.inMicroseconds
    let (verdict, isFirst) = state.withLock { state -> (Verdict, Bool) in
      let isFirst = state.start == nil
      let start = state.start ?? stamp
      state.start = start
      // Times that jump are the driver's fault and no reason to stop.
      let time = stamp &- start
      if let limit, time >= limit {
        state.isOver = true
        return (.over, isFirst)
      }
      if captured.format.generation != state.format.generation {
        guard captured.format.isLike(state.format) else { return (.another(time: time), isFirst) }
        state.format = captured.format
      }
      state.framesLost += captured.framesLostBefore
      return (.encode(time: time, state.pictures.scaler), isFirst)
    }
    if isFirst { startTimer() }
    return verdict
  }

  private func frame(
    _ captured: CapturedFrame, at time: Int64, _ scaler: FrameScaler?
  ) throws(CommandError) -> VideoFrame {
    origins?.note(captured, at: time)
    var frame = captured.frame
    if let scaler {
      do { frame = try scaler.scale(frame) } catch { throw CommandError(error) }
    }
    frame.presentationTime = time
    return frame
  }

  private func adopt(_ format: CaptureFormat) throws(CommandError) {
    let pictures = try CameraPictures(format, options, scaledFormat: scaledFormat)
    state.withLock { state in
      state.format = format
      state.pictures = pictures
    }
  }

  /// Ends the capture even when no more frames come to tell the time.
  private func startTimer() {
    guard let duration = options.duration else { return }
    let timer = Task { [camera] in
      do { try await Task.sleep(for: duration + .seconds(1)) } catch { return }
      await camera.close()
    }
    state.withLock { $0.timer = timer }
  }
}

extension SourceDescription {
  /// Whether an encoder that was opened for one of them can go on with frames of the other.
  fileprivate func isLike(_ other: SourceDescription) -> Bool {
    size == other.size && format == other.format && color == other.color && memory == other.memory
  }
}

extension CaptureFormat {
  /// Whether one encoder can take frames of both, one after the other.
  fileprivate func isLike(_ other: CaptureFormat) -> Bool {
    format == other.format && size == other.size && frameRate == other.frameRate
      && color == other.color && inputMemory == other.inputMemory
  }
}
