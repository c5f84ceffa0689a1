/// Why something could not be encoded.
public struct EncoderError: Error, Hashable, Sendable {
  /// A stable category.
  ///
  /// Compare with the static members; a later version may add more.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the static member.
    public let description: String
    private init(_ description: String) { self.description = description }

    /// There is no such device, or it may not be opened.
    public static let deviceUnavailable = Code("deviceUnavailable")
    /// What was opened is no encoder, or none for this codec.
    public static let notAnEncoder = Code("notAnEncoder")
    /// Somebody else holds the device.
    public static let deviceBusy = Code("deviceBusy")
    /// The device went away or stopped working; only opening it again helps.
    public static let deviceLost = Code("deviceLost")
    /// The device did not answer within its deadline.
    public static let deviceStalled = Code("deviceStalled")
    /// A failed device could not be opened again, or failed each time; `framesNotEncoded` has what
    /// is left.
    public static let recoveryFailed = Code("recoveryFailed")
    /// The camera had no usable signal for longer than it was given.
    public static let noSignal = Code("noSignal")
    /// Packets wait to be read and nobody reads them.
    public static let consumerStalled = Code("consumerStalled")
    /// Every input buffer is on loan, and somebody waits for one.
    public static let buffersLent = Code("buffersLent")
    /// Every input buffer is in use, or the latency budget, and the admission policy is to fail.
    public static let wouldBlock = Code("wouldBlock")
    /// The driver cannot do what the configuration asks.
    public static let unsupported = Code("unsupported")
    /// The configuration contradicts itself or leaves its ranges.
    public static let invalidConfiguration = Code("invalidConfiguration")
    /// A frame has not the format, size or layout it should have.
    public static let invalidFrame = Code("invalidFrame")
    /// The kernel or the device has no memory for the buffers.
    public static let outOfMemory = Code("outOfMemory")
    /// The encoder was closed.
    public static let closed = Code("closed")
    /// The waiting task was cancelled.
    public static let cancelled = Code("cancelled")
    /// The driver answered what no driver should.
    public static let protocolViolation = Code("protocolViolation")
  }

  /// What kind of failure this is.
  public let code: Code
  /// The C name of the request that failed, such as `VIDIOC_QBUF`, if a request failed.
  public let operation: String?
  /// What the kernel said, if the kernel said anything.
  public let errno: Errno?
  /// What happened and what to do about it, in one line.
  public let message: String
  /// The frames that `encode` took and that have no packet, in their order, of `recoveryFailed`;
  /// frames whose `encode` throws are not among them.
  public let framesNotEncoded: [VideoFrame]

  /// Creates an error, also for an encoder of another kind than this library's (``VideoEncoder``).
  ///
  /// - Parameters:
  ///   - code: what kind of failure it is.
  ///   - operation: the C name of the request that failed.
  ///   - errno: what the kernel said.
  ///   - message: what happened and what to do about it, in one line.
  ///   - framesNotEncoded: the frames that were taken and have no packet.
  public init(
    _ code: Code, operation: String? = nil, errno: Errno? = nil, _ message: String,
    framesNotEncoded: [VideoFrame] = []
  ) {
    self.code = code
    self.operation = operation
    self.errno = errno
    self.message = message
    self.framesNotEncoded = framesNotEncoded
  }
}

extension EncoderError {
  /// What happened, without the advice to open the device again, for whoever does just that.
  package var finding: String {
    let end = message.firstRange(of: "; open ")?.lowerBound ?? message.endIndex
    return String(message[..<end])
  }
}

extension EncoderError: CustomStringConvertible {
  /// The message, with the failed request and its errno when there are any.
  public var description: String {
    guard let operation else { return message }
    guard let errno else { return "\(message) (\(operation))" }
    return "\(message) (\(operation): \(errno))"
  }
}
