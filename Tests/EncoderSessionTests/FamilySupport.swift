import CV4L2
import Glibc
import TestSupport
import V4L2Encoder
import VirtualV4L2Device

/// The virtual device under another driver's name, with what is asked of its controls written down.
final class DisguisedDevice: Sendable {
  /// One control that the library wrote.
  struct Write: Hashable, Sendable {
    var id: UInt32
    var value: Int64
    /// The members of a structure; empty for a plain value.
    var structure: [UInt32] = []
    /// The class that the request named.
    var controlClass: UInt32
  }

  private struct State {
    var writes: [Write] = []
    var requests: [UInt] = []
    var isStreaming = false
  }

  private let state = Locked(State())
  let device: VirtualDevice
  let driver: String
  /// Controls the driver does not have.
  let lacking: Set<UInt32>
  /// What it answers to each control while it streams, if it does not take it.
  let lockedWhileStreaming: Bool

  init(
    _ driver: String, lacking: Set<UInt32> = [], lockedWhileStreaming: Bool = false
  ) throws {
    self.device = try Harness.device()
    self.driver = driver
    self.lacking = lacking
    self.lockedWhileStreaming = lockedWhileStreaming
  }

  var writes: [Write] { state.withLock { $0.writes } }
  var requests: [UInt] { state.withLock { $0.requests } }

  var selector: DeviceSelector {
    BentTransport(device) { [self] request, argument, device in
      state.withLock { $0.requests.append(request) }
      return answer(request, argument, device)
    }.selector
  }

  private func answer(
    _ request: UInt, _ argument: UnsafeMutableRawPointer, _ device: BentTransport.Device
  ) -> Int32 {
    switch request {
    case CV4L2_VIDIOC_QUERYCAP:
      let result = device.perform(request, argument)
      let capability = argument.assumingMemoryBound(to: v4l2_capability.self)
      withUnsafeMutableBytes(of: &capability.pointee.driver) { name in
        name.copyBytes(from: Array(driver.utf8) + [0])
      }
      return result
    case CV4L2_VIDIOC_STREAMON: state.withLock { $0.isStreaming = true }
    case CV4L2_VIDIOC_STREAMOFF: state.withLock { $0.isStreaming = false }
    case CV4L2_VIDIOC_S_EXT_CTRLS:
      if lacking.contains(controlNumber(argument)) { return -EINVAL }
      if lockedWhileStreaming, state.withLock({ $0.isStreaming }) { return -EBUSY }
      note(argument)
    case CV4L2_VIDIOC_G_EXT_CTRLS:
      if lacking.contains(controlNumber(argument)) { return -EINVAL }
    case CV4L2_VIDIOC_QUERY_EXT_CTRL, CV4L2_VIDIOC_QUERYCTRL:
      if lacking.contains(argument.load(as: UInt32.self)) { return -EINVAL }
    default: break
    }
    return device.perform(request, argument)
  }

  private func note(_ argument: UnsafeMutableRawPointer) {
    let request = argument.assumingMemoryBound(to: v4l2_ext_controls.self).pointee
    guard let control = request.controls?.pointee else { return }
    var write = Write(
      id: control.id, value: Int64(control.value), controlClass: request.which)
    let members: Int? =
      switch control.id {
      case 0x0099_0b1b: 6
      case 0x0099_0b3e: 3
      default: nil
      }
    if let members, let pointer = control.ptr {
      write.value = 0
      write.structure = (0..<members).map {
        pointer.load(fromByteOffset: $0 * 4, as: UInt32.self)
      }
    }
    state.withLock { $0.writes.append(write) }
  }
}
