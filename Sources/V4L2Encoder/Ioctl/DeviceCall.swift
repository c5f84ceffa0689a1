internal import Glibc

extension DeviceHandle {
  /// The only caller of `ioctl` in the library: retries `EINTR`, throws everything else.
  ///
  /// A storm of signals ends with `EINTR` thrown after two seconds: no request of ours waits, so
  /// one that is interrupted for longer is not going to succeed.
  package func call<Argument>(_ request: UInt, _ argument: inout Argument) throws(Errno) {
    var deadline: MonotonicTime?
    while true {
      let result = unsafe withUnsafeMutablePointer(to: &argument) {
        unsafe self.ioctl(request, $0)
      }
      if result >= 0 { return }
      guard result == -EINTR else { throw Errno(rawValue: -result) }
      let now = MonotonicTime.now
      if let deadline, now > deadline { throw .interrupted }
      if deadline == nil { deadline = now + .seconds(2) }
    }
  }
}

/// Text in a fixed array of a kernel struct, up to its first zero byte.
package func fixedText<Storage>(_ storage: Storage) -> String {
  unsafe withUnsafeBytes(of: storage) { bytes in
    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
