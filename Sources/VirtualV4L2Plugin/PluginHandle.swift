internal import CV4L2
internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// One device that a program has opened through libv4l2, with what real plugins do around the
/// requests: the readiness of the descriptor, blocking, and buffers that can only be mapped by
/// exporting them.
final class PluginHandle: Sendable {
  private let device: VirtualDevice
  private let served: any ServedHandle
  private let blocking: BlockingHandle?
  private let pollable: PollableDescriptor?
  private let buffers: PluginBuffers
  private let hangsAfter: Int?

  /// Opens a device of its own behind a descriptor.
  init(_ descriptor: Int32, _ text: DeviceFileText) throws(Errno) {
    device = try VirtualDevice(personality: text.personality)
    served = try device.open()
    hangsAfter = text.hangsAfter
    buffers = PluginBuffers(device, served, text.personality)
    // Read once, as rkmpp does: later changes of the flag have no effect.
    let isBlocking = fcntl(descriptor, F_GETFL) & O_NONBLOCK == 0
    blocking = isBlocking ? BlockingHandle(served) : nil
    switch text.polling {
    case .inputOnly: pollable = try PollableDescriptor(replacing: descriptor)
    case .useless: pollable = nil
    }
    served.onChange { [weak self] in self?.hasChanged() }
  }

  private func hasChanged() {
    blocking?.hasChanged()
    pollable?.update { !served.bufferReadiness().isDisjoint(with: [.capture, .output]) }
  }

  func perform(_ request: UInt32, _ argument: UnsafeMutableRawPointer) -> Int32 {
    switch UInt(request) {
    case CV4L2_VIDIOC_EXPBUF:
      return buffers.export(&argument.assumingMemoryBound(to: v4l2_exportbuffer.self).pointee)
    case CV4L2_VIDIOC_QUERYBUF:
      return buffers.query(&argument.assumingMemoryBound(to: v4l2_buffer.self).pointee)
    case CV4L2_VIDIOC_DQBUF:
      return dequeue(&argument.assumingMemoryBound(to: v4l2_buffer.self).pointee)
    default: return served.ioctl(request, argument, caller: OwnMemory.shared)
    }
  }

  private func dequeue(_ buffer: inout v4l2_buffer) -> Int32 {
    guard buffers.hasRoomForPlanes(buffer) else { return -EINVAL }
    if buffer.type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue { hangIfItsTimeHasCome() }
    let request = UInt32(CV4L2_VIDIOC_DQBUF)
    if let blocking { return blocking.ioctl(request, &buffer, caller: OwnMemory.shared) }
    let result = served.ioctl(request, &buffer, caller: OwnMemory.shared)
    // Taking the last buffer makes the descriptor unreadable.
    hasChanged()
    return result
  }

  private func hangIfItsTimeHasCome() {
    guard let hangsAfter, device.encodedFrameCount >= hangsAfter else { return }
    while true { DeviceThread.sleep(.seconds(3600)) }
  }

  func close() { served.close() }
}
