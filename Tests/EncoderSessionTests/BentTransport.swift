import CV4L2
import Glibc
import V4L2Encoder
import VirtualV4L2Device

/// The virtual device with some of its answers bent, to behave as other drivers do.
///
/// The device itself follows the kernel's documentation; each test bends one answer into what a
/// driver is known to give.
final class BentTransport: Transport {
  /// Called for every request with a way to the real device; returns what the library sees.
  typealias Bend =
    @Sendable (_ request: UInt, _ argument: UnsafeMutableRawPointer, _ device: Device)
    -> Int32

  /// Called for every request; returns the errno with which it fails, or nil.
  typealias Refusal = @Sendable (_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32?

  /// The real device behind the bends.
  struct Device {
    let perform: (UInt, UnsafeMutableRawPointer) -> Int32
  }

  /// The device behind it.
  let device: VirtualDevice
  private let inner: VirtualTransport
  private let bend: Bend
  private let openGate: Gate?
  private let isDeaf: Bool
  private let closing: @Sendable () -> Void
  private let isSilent: @Sendable () -> Bool
  private let log = Locked<[UInt]>([])
  private let mappings = Locked<(made: Int, undone: Int)>((0, 0))

  /// Creates the transport.
  ///
  /// - Parameters:
  ///   - device: the device behind it.
  ///   - openGate: what opening waits for.
  ///   - isDeaf: whether waiting never reports anything.
  ///   - bend: what is bent.
  ///   - closing: called before a handle is closed.
  ///   - isSilent: whether waiting reports nothing for now.
  init(
    _ device: VirtualDevice, openGate: Gate? = nil, isDeaf: Bool = false,
    bend: @escaping Bend = { $2.perform($0, $1) },
    closing: @escaping @Sendable () -> Void = {},
    isSilent: @escaping @Sendable () -> Bool = { false }
  ) {
    self.device = device
    inner = VirtualTransport(device)
    self.openGate = openGate
    self.isDeaf = isDeaf
    self.closing = closing
    self.isSilent = isSilent
    self.bend = bend
  }

  var selector: DeviceSelector { DeviceSelector(.node(path: "bent", self)) }
  var requests: [UInt] { log.withLock { $0 } }
  /// How many mappings of the device's memory were ever made.
  var mappingCount: Int { mappings.withLock { $0.made } }
  /// How many mappings were made and not undone yet.
  var liveMappingCount: Int { mappings.withLock { $0.made - $0.undone } }

  func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    openGate?.wait()
    return Handle(try inner.open(path), self)
  }

  private final class Handle: DeviceHandle {
    private let inner: any DeviceHandle
    private let transport: BentTransport

    init(_ inner: any DeviceHandle, _ transport: BentTransport) {
      self.inner = inner
      self.transport = transport
    }

    func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
      transport.log.withLock { $0.append(request) }
      return transport.bend(request, argument, Device { self.inner.ioctl($0, $1) })
    }
    func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
      let address = try inner.map(plane, length: length)
      transport.mappings.withLock { $0.made += 1 }
      return address
    }
    func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
      transport.mappings.withLock { $0.undone += 1 }
      inner.unmap(address, length: length)
    }
    func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
      if transport.isSilent() {
        // Short, since nothing wakes the loop when the silence ends.
        let soon = MonotonicTime.now + .milliseconds(5)
        return try inner.wait(for: [], until: min(soon, deadline ?? soon))
      }
      let ready = try inner.wait(for: transport.isDeaf ? [] : interest, until: deadline)
      return transport.isDeaf ? [] : ready
    }
    func wake() { inner.wake() }
    func reopen() throws(Errno) {
      transport.openGate?.wait()
      try inner.reopen()
    }
    func close() {
      transport.closing()
      inner.close()
    }
  }
}

/// Something that blocks whoever comes until it is opened.
final class Gate: Sendable {
  private let isOpen = Locked(false)

  var isOpenNow: Bool { isOpen.withLock { $0 } }
  func open() { isOpen.withLock { $0 = true } }
  func wait() { while !isOpen.withLock({ $0 }) { DeviceThread.sleep(.milliseconds(5)) } }
}

/// The `v4l2_buffer` behind a request's argument.
func buffer(_ argument: UnsafeMutableRawPointer) -> UnsafeMutablePointer<v4l2_buffer> {
  argument.assumingMemoryBound(to: v4l2_buffer.self)
}

/// Whether a request takes an encoded buffer from the device.
func takesPacket(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Bool {
  request == CV4L2_VIDIOC_DQBUF
    && buffer(argument).pointee.type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue
}

/// Whether a request hands a raw frame to the device.
func queuesFrame(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Bool {
  request == CV4L2_VIDIOC_QBUF && isForFrames(argument)
}

/// Whether a request asks for a raw frame's buffer back.
func takesFrameBack(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Bool {
  request == CV4L2_VIDIOC_DQBUF && isForFrames(argument)
}

private func isForFrames(_ argument: UnsafeMutableRawPointer) -> Bool {
  buffer(argument).pointee.type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
}

/// The number of the control of a request that carries one.
func controlNumber(_ argument: UnsafeMutableRawPointer) -> UInt32 {
  argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls?.pointee.id ?? 0
}
