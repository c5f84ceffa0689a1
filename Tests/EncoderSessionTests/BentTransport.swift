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

  /// The real device behind the bends.
  struct Device {
    let perform: (UInt, UnsafeMutableRawPointer) -> Int32
  }

  private let inner: VirtualTransport
  private let bend: Bend
  private let openGate: Gate?
  private let isDeaf: Bool
  private let log = Locked<[UInt]>([])

  /// Creates the transport.
  ///
  /// - Parameters:
  ///   - device: the device behind it.
  ///   - openGate: what opening waits for.
  ///   - isDeaf: whether waiting never reports anything.
  ///   - bend: what is bent.
  init(
    _ device: VirtualDevice, openGate: Gate? = nil, isDeaf: Bool = false,
    bend: @escaping Bend = { $2.perform($0, $1) }
  ) {
    inner = VirtualTransport(device)
    self.openGate = openGate
    self.isDeaf = isDeaf
    self.bend = bend
  }

  var selector: DeviceSelector { DeviceSelector(.node(path: "bent", self)) }
  var requests: [UInt] { log.withLock { $0 } }

  func open(_ path: String) throws(Errno) -> any DeviceHandle {
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
      try inner.map(plane, length: length)
    }
    func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
      inner.unmap(address, length: length)
    }
    func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
      let ready = try inner.wait(for: transport.isDeaf ? [] : interest, until: deadline)
      return transport.isDeaf ? [] : ready
    }
    func wake() { inner.wake() }
    func close() { inner.close() }
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

/// The number of the control of a request that carries one.
func controlNumber(_ argument: UnsafeMutableRawPointer) -> UInt32 {
  argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee.controls?.pointee.id ?? 0
}
