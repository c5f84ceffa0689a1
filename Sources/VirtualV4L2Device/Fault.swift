public import V4L2Encoder

extension VirtualDevice {
  /// Something that goes wrong on demand, once or several times, at a place that can be named
  /// beforehand: which request or which frame, counted from the moment the fault is injected.
  ///
  /// ```swift
  /// device.inject(.failing(.dequeuePacket, with: .inputOutput, at: 10))
  /// device.inject(.spoiling(.skipped, frame: 3))
  /// ```
  public struct Fault: Hashable, Sendable {
    /// What is asked of a device.
    ///
    /// A dequeue counts only when there is a buffer to give, so that looking twice changes
    /// nothing; what a personality lacks or refuses anyhow counts too.
    public enum Request: String, Hashable, Sendable, CaseIterable {
      case open
      case setFormat
      case setControl
      case requestBuffers
      case queueFrame
      case queuePacketBuffer
      case dequeueFrame
      case dequeuePacket
      case startStreaming
      case stopStreaming
      case command
    }

    /// What becomes of one frame and its packet.
    public enum Damage: String, Hashable, Sendable, CaseIterable {
      /// The packet's buffer has the ERROR flag.
      case erroneous
      /// The packet's buffer comes back empty.
      case empty
      /// The packet's buffer never comes back.
      case lost
      /// There is no packet, and its buffer is used for the next one.
      case skipped
      /// The encoder never finishes the frame, until the faults are removed or streaming stops.
      case stuck
    }

    enum Place: Hashable, Sendable {
      case request(Request)
      case frame
    }

    enum Effect: Hashable, Sendable {
      case failure(Errno)
      case hang
      case damage(Damage)
    }

    let place: Place
    let effect: Effect
    /// How many requests or frames pass before.
    let index: Int
    /// How often in a row it happens.
    let times: Int

    /// A request that answers an error number.
    ///
    /// - Parameters:
    ///   - request: which request.
    ///   - error: the answer, such as EIO, ENODEV or EAGAIN.
    ///   - index: how many such requests are answered well before.
    ///   - times: how many are not, `.max` for all that follow.
    /// - Returns: the fault.
    public static func failing(
      _ request: Request, with error: Errno, at index: Int = 0, times: Int = 1
    ) -> Fault {
      Fault(place: .request(request), effect: .failure(error), index: index, times: times)
    }

    /// A request that does not return until the faults are removed.
    ///
    /// - Parameters:
    ///   - request: which request.
    ///   - index: how many such requests are answered well before.
    /// - Returns: the fault.
    public static func hanging(_ request: Request, at index: Int = 0) -> Fault {
      Fault(place: .request(request), effect: .hang, index: index, times: 1)
    }

    /// A frame that is taken and goes wrong.
    ///
    /// - Parameters:
    ///   - damage: what becomes of it.
    ///   - frame: how many frames are encoded well before.
    ///   - times: how many frames in a row.
    /// - Returns: the fault.
    public static func spoiling(_ damage: Damage, frame: Int = 0, times: Int = 1) -> Fault {
      Fault(place: .frame, effect: .damage(damage), index: frame, times: times)
    }
  }

  /// Lets something go wrong; several faults at the same place happen in the order of injection.
  public func inject(_ faults: Fault...) { core.faults.inject(faults) }

  /// Forgets every fault, and lets go on what hangs because of one.
  public func removeFaults() { core.faults.removeAll() }

  /// How often a fault happened, since the device was made.
  public var faultCount: Int { core.faults.count }
}
