internal import Glibc
internal import Synchronization

/// Stands in for the pages that a mapped file loses while it is read.
///
/// Reading such a page (mmap(2): the file was truncated, or its disk failed) raises SIGBUS, however
/// recently the length was looked at. A handler puts zeros there, so that the reader goes on and
/// can say what happened.
@safe final class MappingGuard: Sendable {
  /// Bytes of one page.
  static let pageSize = max(sysconf(Int32(_SC_PAGESIZE)), 4096)

  private let place: Int

  /// Guards a mapping; nil when there are too many of them.
  init?(start: UInt, byteCount: Int) {
    guard Watch.isInstalled, let place = Watch.take() else { return nil }
    self.place = place
    unsafe Watch.places[place].isTorn.store(false, ordering: .relaxed)
    unsafe Watch.places[place].end.store(start + UInt(byteCount), ordering: .relaxed)
    unsafe Watch.places[place].start.store(start, ordering: .releasing)
  }

  /// Whether pages were missing when they were read; zeros were read instead.
  var isTorn: Bool { unsafe Watch.places[place].isTorn.load(ordering: .acquiring) }

  /// Called before the mapping is undone, after which others may lie there.
  func end() { unsafe Watch.places[place].start.store(0, ordering: .releasing) }

  deinit { unsafe Watch.places[place].isTaken.store(false, ordering: .releasing) }
}

/// What the handler knows.
///
/// It may take no lock and allocate nothing.
private enum Watch {
  /// One guarded mapping.
  struct Place: ~Copyable {
    let isTaken = Atomic(false)
    /// The first address; 0 while there is none.
    let start = Atomic<UInt>(0)
    let end = Atomic<UInt>(0)
    let isTorn = Atomic(false)
  }

  static let count = 64
  // Never given back: the handler may look at any time.
  nonisolated(unsafe) static let places: UnsafeMutablePointer<Place> = {
    let places = UnsafeMutablePointer<Place>.allocate(capacity: count)
    for index in 0..<count { unsafe (places + index).initialize(to: Place()) }
    return unsafe places
  }()
  /// The action that was in force before.
  nonisolated(unsafe) static let former: UnsafeMutablePointer<sigaction> = {
    let former = UnsafeMutablePointer<sigaction>.allocate(capacity: 1)
    unsafe former.initialize(to: sigaction())
    return unsafe former
  }()

  /// Installs the handler when it is first asked for; false when that is refused.
  ///
  /// Everything that the handler uses has its value by then.
  static let isInstalled: Bool = {
    _ = unsafe (places, former, MappingGuard.pageSize)
    var action = sigaction()
    action.sa_flags = SA_SIGINFO
    unsafe action.__sigaction_handler.sa_sigaction = { _, information, _ in
      guard let information = unsafe information else { return }
      // What kill(2) sends has no address.
      let isFault = unsafe information.pointee.si_code > 0
      let address = unsafe UInt(bitPattern: information.pointee._sifields._sigfault.si_addr)
      if isFault, Watch.mend(address) { return }
      // A fault elsewhere comes again, and meets the former action; what was sent is sent again.
      unsafe sigaction(SIGBUS, Watch.former, nil)
      if !isFault { raise(SIGBUS) }
    }
    return unsafe sigaction(SIGBUS, &action, former) == 0
  }()

  static func take() -> Int? {
    for index in 0..<count {
      let isFree = unsafe places[index].isTaken.compareExchange(
        expected: false, desired: true, ordering: .acquiringAndReleasing
      ).exchanged
      if isFree { return index }
    }
    return nil
  }

  /// Puts zeros from this page on to the end of the mapping it belongs to.
  static func mend(_ address: UInt) -> Bool {
    for index in 0..<count {
      let start = unsafe places[index].start.load(ordering: .acquiring)
      let end = unsafe places[index].end.load(ordering: .relaxed)
      // The place may have got another mapping in between.
      guard start != 0, unsafe places[index].start.load(ordering: .acquiring) == start,
        address >= start, address < end
      else { continue }
      unsafe places[index].isTorn.store(true, ordering: .releasing)
      let page = address & ~UInt(MappingGuard.pageSize - 1)
      let zeros = unsafe mmap(
        UnsafeMutableRawPointer(bitPattern: page), Int(end - page), PROT_READ,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
      return unsafe zeros != MAP_FAILED
    }
    return false
  }
}
