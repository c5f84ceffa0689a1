/// Hands the packets of one encoder to several readers, such as a recording and a stream.
///
/// Packets are shared, not copied. Let readers subscribe, then give the encoder's packets to
/// ``run(_:)`` in a task of its own. While there are no readers, packets are taken and forgotten,
/// so that the encoder goes on.
///
/// ```swift
/// let broadcast = PacketBroadcast()
/// let recording = broadcast.subscribe(.wait(capacity: 60))
/// let stream = broadcast.subscribe(.dropToNextKeyFrame(capacity: 30))
/// let feeding = Task { try await broadcast.run(encoder.packets) }
/// ```
public final class PacketBroadcast: Sendable {
  /// What happens when a reader is slower than the encoder.
  public enum Policy: Hashable, Sendable {
    /// The reader gets every packet: while `capacity` of them wait for it, no further packet is
    /// taken from the encoder, which holds up the encoder and the other readers.
    ///
    /// That ends after `patience`: the reader's sequence throws `consumerStalled` behind what was
    /// queued, and the others go on. Patience is best shorter than ``Deadlines/consumer``, after
    /// which `encode` gives up. The capacity is 1 at least.
    case wait(capacity: Int, patience: Duration = .seconds(2))
    /// The reader holds up nobody: with `capacity` packets waiting it loses what comes, up to a key
    /// frame that finds room. The capacity is 1 at least.
    case dropToNextKeyFrame(capacity: Int)

    var capacity: Int {
      switch self {
      case .wait(let capacity, _), .dropToNextKeyFrame(let capacity): max(1, capacity)
      }
    }
  }

  private let hub = BroadcastHub()

  /// Creates a broadcast without readers.
  public init() {}

  deinit {
    hub.finish(.failure(EncoderError(.closed, "the broadcast was dropped before it had run")))
  }

  /// Adds a reader, whose first packet is the next key frame.
  ///
  /// Readers that subscribe before ``run(_:)`` get everything. After the end there is nothing but
  /// the end.
  ///
  /// - Parameters:
  ///   - policy: what happens when the reader is slow.
  ///   - requestsKeyFrames: whether ``takeKeyFrameRequest()`` is to ask for a key frame when the
  ///     reader joins a running stream, and when it has read everything after it lost packets.
  /// - Returns: the reader, which is subscribed from now on.
  public func subscribe(_ policy: Policy, requestsKeyFrames: Bool = false) -> Reader {
    Reader(hub.subscribe(policy, requestsKeyFrames: requestsKeyFrames), hub)
  }

  /// Whether a reader asks for a key frame; asking again answers false until another one does.
  ///
  /// Pass it with the next frame: `FrameOptions(forceKeyFrame: broadcast.takeKeyFrameRequest())`.
  /// When that frame is not encoded after all, since `encode` throws, the request is lost unless
  /// ``putBackKeyFrameRequest()`` keeps it for another frame.
  public func takeKeyFrameRequest() -> Bool { hub.takeKeyFrameRequest() }

  /// Puts back a request that was taken for a frame which was not encoded.
  public func putBackKeyFrameRequest() { hub.putBackKeyFrameRequest() }

  /// Hands packets out until they end; every reader gets the end, or the error, behind the packets
  /// that wait for it.
  ///
  /// When the task is cancelled, the readers get the error `cancelled`.
  ///
  /// - Throws: what `packets` throws; `invalidConfiguration` when the broadcast has run before.
  public nonisolated(nonsending) func run<Packets: AsyncSequence>(
    _ packets: Packets
  ) async throws(EncoderError)
  where Packets.Element == EncodedPacket, Packets.Failure == EncoderError {
    guard hub.begin() else {
      throw EncoderError(.invalidConfiguration, "a broadcast runs once; make another one")
    }
    do throws(EncoderError) {
      var iterator = packets.makeAsyncIterator()
      while !Task.isCancelled, let packet = try await iterator.next(isolation: #isolation) {
        await hub.publish(packet)
      }
    } catch {
      hub.finish(.failure(error))
      throw error
    }
    hub.finish(
      Task.isCancelled
        ? .failure(EncoderError(.cancelled, "the task that fed the broadcast was cancelled"))
        : .success(()))
  }
}
