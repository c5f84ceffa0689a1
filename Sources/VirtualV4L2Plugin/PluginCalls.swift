internal import CLibV4LPlugin
internal import Glibc
internal import V4L2Encoder

// The three calls of a plugin; C makes libv4l2's conventions of them.

/// Takes a file that libv4l2 has opened; nil when it is none of ours.
@c @implementation
public func virtual_plugin_claim(_ fd: Int32) -> UnsafeMutableRawPointer? {
  guard let text = DeviceFileText(fd) else { return nil }
  do throws(Errno) {
    return Unmanaged.passRetained(try PluginHandle(fd, text)).toOpaque()
  } catch {
    virtual_plugin_report("cannot make a device: \(error)")
    return nil
  }
}

/// Performs a request; returns its result or a negated errno.
@c @implementation
public func virtual_plugin_perform(
  _ handle: UnsafeMutableRawPointer, _ fd: Int32, _ request: UInt32,
  _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  guard let argument else { return -EFAULT }
  return Unmanaged<PluginHandle>.fromOpaque(handle).takeUnretainedValue()
    .perform(request, argument)
}

/// Ends the device behind a file.
@c @implementation
public func virtual_plugin_release(_ handle: UnsafeMutableRawPointer) {
  let handle = Unmanaged<PluginHandle>.fromOpaque(handle).takeRetainedValue()
  handle.close()
}
