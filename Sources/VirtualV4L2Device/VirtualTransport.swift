internal import CV4L2
internal import Glibc
public import V4L2Encoder

extension DeviceSelector {
  /// A virtual device in this process: no device node, no privileges.
  public static func virtual(_ device: VirtualDevice) -> DeviceSelector {
    DeviceSelector(.node(path: "virtual", VirtualTransport(device)))
  }
}

/// Carries requests to a virtual device in the same process.
package struct VirtualTransport: Transport {
  private let device: any ServedDevice

  package init(_ device: any ServedDevice) { self.device = device }

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    do throws(Errno) {
      return InProcessHandle(
        try device.open(), memoryDescriptor: device.memoryDescriptor, keeping: device)
    } catch {
      throw OpenFailure(error)
    }
  }
}

/// A handle of a virtual device as the library sees it.
private final class InProcessHandle: DeviceHandle {
  private let served: Locked<any ServedHandle>
  private let memoryDescriptor: Int32
  /// The memory descriptor is the device's, which must outlive this handle.
  private let device: any ServedDevice
  private let wakeUps = Monitor(WakeUps())

  private struct WakeUps {
    /// Counts changes, so that one between a look and a wait is not missed.
    var changes = 0
    var isWoken = false
  }

  init(
    _ served: any ServedHandle, memoryDescriptor: Int32, keeping device: any ServedDevice
  ) {
    self.served = Locked(served)
    self.memoryDescriptor = memoryDescriptor
    self.device = device
    watch(served)
  }

  deinit { close() }

  private var current: any ServedHandle { served.withLock { $0 } }

  private func watch(_ served: any ServedHandle) {
    let wakeUps = wakeUps
    served.onChange {
      wakeUps.withLock { $0.changes &+= 1 }
      wakeUps.signal()
    }
  }

  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    let result = current.ioctl(
      UInt32(truncatingIfNeeded: request), argument, caller: OwnMemory.shared)
    // This handle is non-blocking, where DQEVENT names the absence of an event differently.
    return result == -EAGAIN && request == CV4L2_VIDIOC_DQEVENT ? -ENOENT : result
  }

  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    var address: UnsafeMutableRawPointer?
    _ = try check(
      cv4l2_mmap(memoryDescriptor, length, Int64(plane.memoryOffset), &address))
    guard let address else { throw Errno(rawValue: EFAULT) }
    return address
  }

  @unsafe func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
    _ = cv4l2_munmap(address, length)
  }

  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    let served = current
    while true {
      let seen = wakeUps.withLock { $0.changes }
      // Here is no poll(2) that could say less than is true.
      let ready = masked(served.bufferReadiness(), interest)
      if !ready.isEmpty { return ready }
      let body: (inout WakeUps) -> Bool? = { state in
        if state.isWoken {
          state.isWoken = false
          return false
        }
        return state.changes == seen ? nil : true
      }
      let hasChanged: Bool
      if let deadline {
        hasChanged = wakeUps.wait(until: deadline, body) ?? false
      } else {
        hasChanged = wakeUps.wait(body)
      }
      if !hasChanged { return [] }
    }
  }

  /// poll(2) reports an idle device only to those who asked for a buffer.
  private func masked(_ ready: Readiness, _ interest: Readiness) -> Readiness {
    let buffers = interest.intersection([.capture, .output])
    return ready.intersection(interest.union(buffers.isEmpty ? .hangUp : [.error, .hangUp]))
  }

  func wake() {
    wakeUps.withLock { $0.isWoken = true }
    wakeUps.signal()
  }

  func reopen() throws(Errno) {
    let fresh = try device.open()
    watch(fresh)
    let former = served.withLock { served in
      defer { served = fresh }
      return served
    }
    former.close()
  }

  func close() { current.close() }
}

/// The memory of a caller in this process.
package final class OwnMemory: CallerMemory, Sendable {
  package static let shared = OwnMemory()

  package var sharesAddressSpace: Bool { true }

  package func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Int32 {
    guard let source = UnsafeRawPointer(bitPattern: UInt(address)) else { return -EFAULT }
    target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: target.count))
    return 0
  }

  package func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Int32 {
    guard let target = UnsafeMutableRawPointer(bitPattern: UInt(address)) else { return -EFAULT }
    UnsafeMutableRawBufferPointer(start: target, count: source.count).copyMemory(from: source)
    return 0
  }

  package func duplicateDescriptor(_ descriptor: Int32) -> Int32 {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return copy >= 0 ? copy : -errno
  }
}
