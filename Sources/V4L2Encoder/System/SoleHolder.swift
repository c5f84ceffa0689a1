internal import Synchronization

/// Whether nobody else holds an object any more, so that the caller may write to it.
///
/// What the last other holder read from it, on whatever thread, was read before the caller writes:
/// giving up a reference releases, and the fence here acquires.
///
/// - Parameters:
///   - object: what the caller holds. Under the thread sanitizer a new one takes its place: it does
///     not see the reference counts, which the Swift runtime keeps in code that is not
///     instrumented, and would report every write after a reader on another thread.
///   - renewed: makes another object of the kind.
/// - Returns: true when the caller is the only holder.
func isSoleHolder<Object: AnyObject>(
  of object: inout Object, renewed: @autoclosure () -> Object
) -> Bool {
  guard isKnownUniquelyReferenced(&object) else { return false }
  #if V4L2ENC_TSAN
  object = renewed()
  #else
  atomicMemoryFence(ordering: .acquiring)
  #endif
  return true
}
