internal import Foundation
internal import V4L2Encoder

/// What a child process reads.
public enum SubprocessInput: Sendable {
  /// Nothing: end of file at once.
  case nothing
  /// These bytes, through a pipe.
  case bytes([UInt8])
  /// This file.
  case file(String)
}

/// How a child process ended and what it wrote.
public struct SubprocessResult: Sendable {
  /// The exit code; nil when a signal ended the process.
  public let exitCode: Int32?
  /// The signal that ended the process, if one did.
  public let signal: Int32?
  /// What it wrote to standard output.
  public let output: [UInt8]
  /// What it wrote to standard error.
  public let errorOutput: [UInt8]

  /// Standard output as text.
  public var outputText: String { String(decoding: output, as: UTF8.self) }
  /// Standard error as text.
  public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}

/// A child process with captured output, ended by its number when it is late.
///
/// It inherits no descriptors but the standard ones. Output goes to unlinked files, not pipes: it
/// can be read while the process runs, and a child that leaves a daemon behind does not keep the
/// reader waiting.
public final class Subprocess: Sendable {
  /// The process's number.
  public let processIdentifier: Int32

  private struct State {
    var status: Int32?
    var waiters: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Locked(State())
  private let command: String
  private let output: CaptureFile
  private let errorOutput: CaptureFile

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: a path, or a name to be found in PATH.
  ///   - arguments: the arguments after the program's name.
  ///   - input: what it reads.
  ///   - environment: variables to set besides those of this process.
  /// - Throws: `TestSupportError` when the program cannot be started.
  public init(
    _ program: String, _ arguments: [String] = [], input: SubprocessInput = .nothing,
    environment: [String: String] = [:]
  ) throws(TestSupportError) {
    command = ([program] + arguments).joined(separator: " ")
    output = try CaptureFile()
    errorOutput = try CaptureFile()
    let source = try InputEnd(input)
    defer { close(source.descriptor) }
    processIdentifier = try spawn(
      [program] + arguments,
      descriptors: [source.descriptor, output.descriptor, errorOutput.descriptor],
      environment: environment)
    source.feed()
    Thread.detachNewThread { [self] in reap() }
  }

  /// Whether the process has not ended yet.
  public var isRunning: Bool { state.withLock { $0.status == nil } }
  /// What it wrote to standard output so far.
  public var outputSoFar: String { String(decoding: output.contents, as: UTF8.self) }
  /// What it wrote to standard error so far.
  public var errorSoFar: String { String(decoding: errorOutput.contents, as: UTF8.self) }

  /// Sends a signal; does nothing once the process has ended.
  public func send(_ signal: Int32) {
    // Under the lock that `reap` holds: the number cannot have been given to another process.
    state.withLock { state in
      if state.status == nil { kill(processIdentifier, signal) }
    }
  }

  /// Waits for the end of the process; kills it at the deadline.
  ///
  /// - Throws: `TestSupportError` when the deadline passes, with what the process wrote.
  public func wait(within limit: Duration = .seconds(60)) async throws -> SubprocessResult {
    do {
      try await withDeadline(limit, command) { [self] in await end() }
    } catch {
      send(SIGKILL)
      throw TestSupportError("\(error)\n\(errorSoFar.suffix(2000))")
    }
    let status = state.withLock { $0.status } ?? 0
    let signal = status & 0x7f
    return SubprocessResult(
      exitCode: signal == 0 ? (status >> 8) & 0xff : nil, signal: signal == 0 ? nil : signal,
      output: output.contents, errorOutput: errorOutput.contents)
  }

  /// Starts a program and waits for its end.
  ///
  /// - Throws: `TestSupportError` when it cannot be started or is late.
  public static func run(
    _ program: String, _ arguments: [String] = [], input: SubprocessInput = .nothing,
    environment: [String: String] = [:], within limit: Duration = .seconds(60)
  ) async throws -> SubprocessResult {
    try await Subprocess(program, arguments, input: input, environment: environment)
      .wait(within: limit)
  }

  private func end() async {
    await withCheckedContinuation { continuation in
      let ended = state.withLock { state in
        if state.status == nil { state.waiters.append(continuation) }
        return state.status != nil
      }
      if ended { continuation.resume() }
    }
  }

  private func reap() {
    var information = siginfo_t()
    // Leaves the process a zombie, so that its number stays taken until the lock is held.
    while waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) == -1,
      errno == EINTR
    {}
    let waiters = state.withLock { state in
      var status: Int32 = 0
      waitpid(processIdentifier, &status, 0)
      state.status = status
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }
}

/// An unlinked file that a child writes and this process reads.
private final class CaptureFile: Sendable {
  let descriptor: Int32

  init() throws(TestSupportError) {
    var template = [CChar]("/tmp/v4l2enc-output.XXXXXX".utf8CString)
    descriptor = descriptorLock.withLock { _ in
      let descriptor = mkstemp(&template)
      closeOnExec(descriptor)
      return descriptor
    }
    guard descriptor >= 0 else { throw TestSupportError("mkstemp: errno \(errno)") }
    unlink(template)
    _ = fcntl(descriptor, F_SETFL, O_RDWR | O_APPEND)
  }

  deinit { close(descriptor) }

  var contents: [UInt8] {
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { return [] }
    let size = Int(information.st_size)
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = max(0, pread(descriptor, buffer.baseAddress, size, 0))
    }
  }
}

/// The descriptor a child reads from and, for bytes, who writes the other end.
private struct InputEnd {
  let descriptor: Int32
  private let writer: Int32?
  private let bytes: [UInt8]

  init(_ input: SubprocessInput) throws(TestSupportError) {
    switch input {
    case .nothing: (descriptor, writer, bytes) = (open("/dev/null", O_RDONLY | O_CLOEXEC), nil, [])
    case .file(let path): (descriptor, writer, bytes) = (open(path, O_RDONLY | O_CLOEXEC), nil, [])
    case .bytes(let content):
      var ends: [Int32] = [-1, -1]
      let made = descriptorLock.withLock { _ in
        let result = pipe(&ends)
        for end in ends { closeOnExec(end) }
        return result == 0
      }
      guard made else { throw TestSupportError("pipe: errno \(errno)") }
      (descriptor, writer, bytes) = (ends[0], ends[1], content)
    }
    guard descriptor >= 0 else { throw TestSupportError("cannot open \(input): errno \(errno)") }
  }

  func feed() {
    guard let writer else { return }
    // A child that stops reading must fail its own test, not end this process.
    signal(SIGPIPE, SIG_IGN)
    Thread.detachNewThread { [bytes] in
      var sent = 0
      while sent < bytes.count {
        let count = bytes.withUnsafeBytes { buffer in
          write(writer, buffer.baseAddress?.advanced(by: sent), buffer.count - sent)
        }
        guard count > 0 else { break }
        sent += count
      }
      close(writer)
    }
  }
}
