/// Device nodes of every kind: the kernel's, and those that a vendor's libv4l2 plugin stands for.
///
/// NVIDIA's node is a second `/dev/null` (1:3) or a channel of the GPU's host, Rockchip's a text
/// file: the kernel answers `VIDIOC_QUERYCAP` on them with ENOTTY, and only then libv4l2 is asked.
package struct NodeTransport: Transport {
  package init() {}

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    let handle = try KernelTransport().open(path)
    do throws(Errno) {
      _ = try handle.queryCapabilities()
    } catch {
      guard error == .notSupported else { return handle }
      handle.close()
      return try LibV4L2Transport().open(path)
    }
    return handle
  }
}
