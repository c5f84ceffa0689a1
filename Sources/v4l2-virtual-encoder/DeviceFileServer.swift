internal import CFuse3
internal import CV4L2
internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// Serves one device to every program that opens its file.
///
/// Several threads take requests from the kernel, so that a slow one holds up nobody else; a
/// request that waits for the device holds up no thread at all (`OpenFile`).
final class DeviceFileServer: Sendable {
  private struct State {
    var lastFile: UInt64 = 0
    var lastTicket: UInt64 = 0
    /// Which file an unanswered request is of, by the request's ticket.
    var waiting: [UInt64: OpenFile] = [:]
  }

  private let device: any ServedDevice
  private let state = Locked(State())
  let connection: KernelConnection

  /// More than one, since single requests may take as long as encoding a frame takes.
  private static let threadCount = 8

  init(device: any ServedDevice, connection: KernelConnection) {
    self.device = device
    self.connection = connection
  }

  /// Greets the kernel and starts to answer.
  func start() throws(ServerFailure) {
    try connection.establish(server: self, memory: device.memoryDescriptor)
    for _ in 0..<Self.threadCount {
      let result = cv4l2_thread_start(
        "requests",
        { context in
          guard let context else { return }
          Unmanaged<DeviceFileServer>.fromOpaque(context).takeRetainedValue().answerRequests()
        }, Unmanaged.passRetained(self).toOpaque())
      guard result >= 0 else {
        throw .system("cannot start a thread: \(describe(errno: -result))")
      }
    }
  }

  private func answerRequests() {
    connection.processRequests()
    // The mount is gone. The main thread waits for just this signal, to clean up.
    kill(getpid(), SIGTERM)
  }

  // MARK: Files

  func openFile(nonBlocking: Bool) throws(Errno) -> OpenFile {
    let handle = try device.open()
    let number = state.withLock { state in
      state.lastFile += 1
      return state.lastFile
    }
    return OpenFile(number: number, handle: handle, openedNonBlocking: nonBlocking) {
      [weak self] ticket in
      _ = self?.state.withLock { $0.waiting.removeValue(forKey: ticket) }
    }
  }

  // MARK: Requests that wait

  /// Puts the answer off until the device can give it, if the program's file may wait now.
  func wait(
    _ request: FuseRequest, command: UInt32, errorInsteadOfWaiting: Int32,
    argument: UnsafeRawBufferPointer, replySize: Int, caller: CallingThread, file: OpenFile
  ) {
    var disputed: [Int32] = []
    switch caller.blockingMode() {
    case .blocking: break
    case .nonBlocking: return request.fail(errorInsteadOfWaiting)
    case .unknown:
      if file.openedNonBlocking { return request.fail(errorInsteadOfWaiting) }
    case .disputed(let descriptors): disputed = descriptors
    }

    let ticket = state.withLock { state in
      state.lastTicket += 1
      state.waiting[state.lastTicket] = file
      return state.lastTicket
    }
    file.add(
      WaitingRequest(
        ticket: ticket, request: request, command: command,
        argument: ArgumentCopy(copying: argument), replySize: replySize, caller: caller))
    // The ticket travels as the pointer's bits; an interruption may come after the answer, when
    // anything a real pointer named would be gone.
    fuse_req_interrupt_func(
      request.pointer,
      { request, ticket in
        guard let request, let server = DeviceFileServer.serving(request) else { return }
        server.fail(UInt64(UInt(bitPattern: ticket)), EINTR)
      }, UnsafeMutableRawPointer(bitPattern: UInt(ticket)))
    file.publish(ticket)

    if !disputed.isEmpty {
      let question = BlockingQuestion(
        server: self, file: file, ticket: ticket, caller: caller, descriptors: disputed,
        error: errorInsteadOfWaiting)
      question.askOnOwnThread()
    }
  }

  /// Answers a waiting request with an error, unless it has been answered.
  func fail(_ ticket: UInt64, _ error: Int32) {
    state.withLock { $0.waiting[ticket] }?.fail(ticket, error)
  }

  // MARK: From C

  /// The server a request came to.
  static func serving(_ request: fuse_req_t) -> DeviceFileServer? {
    fuse_req_userdata(request).map {
      Unmanaged<DeviceFileServer>.fromOpaque($0).takeUnretainedValue()
    }
  }
}

/// The question whether a waiting call may wait, where a program has blocking and non-blocking
/// files of the device.
private final class BlockingQuestion: Sendable {
  private let server: DeviceFileServer
  private let file: OpenFile
  private let ticket: UInt64
  private let caller: CallingThread
  private let descriptors: [Int32]
  private let error: Int32

  init(
    server: DeviceFileServer, file: OpenFile, ticket: UInt64, caller: CallingThread,
    descriptors: [Int32], error: Int32
  ) {
    self.server = server
    self.file = file
    self.ticket = ticket
    self.caller = caller
    self.descriptors = descriptors
    self.error = error
  }

  /// Asks on a thread of its own, as the answer needs a thread that serves requests.
  func askOnOwnThread() {
    let context = Unmanaged.passRetained(self)
    let result = cv4l2_thread_start(
      "identify",
      { context in
        guard let context else { return }
        Unmanaged<BlockingQuestion>.fromOpaque(context).takeRetainedValue().ask()
      }, context.toOpaque())
    if result < 0 {
      context.release()
      if file.openedNonBlocking { server.fail(ticket, error) }
    }
  }

  private func ask() {
    let flags = caller.flags(of: file.number, among: descriptors)
    let isNonBlocking = flags.map { $0 & O_NONBLOCK != 0 } ?? file.openedNonBlocking
    if isNonBlocking { server.fail(ticket, error) }
  }
}
