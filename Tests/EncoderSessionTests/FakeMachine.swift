import CV4L2
import Glibc
import TestSupport
import V4L2Encoder
import VirtualV4L2Device

/// A machine in a temporary directory, with nodes that behave as they are told.
final class FakeMachine: Transport {
  /// What is behind a node.
  enum Node: Sendable {
    /// An encoder; requests may be bent.
    case encoder(BentTransport)
    /// A device that says no more than these capabilities, and lists these formats.
    case listed(capabilities: Int32, output: [PixelFormat], capture: [PixelFormat])
    /// Opening it fails.
    case refuses(Int32)
    /// Opening it waits for this.
    case hangs(Gate)
  }

  private let nodes: [String: Node]
  private let directory: TemporaryDirectory
  private let opened = Locked<[String]>([])

  /// Creates the machine.
  ///
  /// - Parameters:
  ///   - nodes: what is in its `/dev`, by name.
  ///   - board: what its device tree says, if it has one.
  /// - Throws: `TestSupportError` when the directory cannot be made.
  init(_ nodes: [String: Node], board: String? = nil) throws {
    self.nodes = nodes
    directory = try TemporaryDirectory(named: "v4l2enc-machine")
    for part in ["dev", "proc", "proc/device-tree"] { mkdir(directory.file(part), 0o755) }
    for name in nodes.keys { _ = try directory.write([], to: "dev/\(name)") }
    if let board { _ = try directory.write(Array(board.utf8) + [0], to: "proc/device-tree/model") }
  }

  var machine: Machine { Machine(root: directory.path) }
  /// The nodes that were opened so far.
  var openedNodes: [String] { opened.withLock { $0 } }
  func path(_ name: String) -> String { directory.file("dev/\(name)") }

  func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    let name = String(path.split(separator: "/").last ?? "")
    opened.withLock { $0.append(name) }
    switch nodes[name] {
    case .encoder(let transport): return try transport.open(path)
    case .listed(let capabilities, let output, let capture):
      return ListedHandle(capabilities, output: output, capture: capture)
    case .refuses(let number): throw OpenFailure(Errno(rawValue: number))
    case .hangs(let gate):
      gate.wait()
      throw OpenFailure(Errno(rawValue: ENODEV))
    case nil: throw OpenFailure(Errno(rawValue: ENOENT))
    }
  }
}

/// Answers QUERYCAP and ENUM_FMT, nothing else.
private final class ListedHandle: DeviceHandle {
  private let capabilities: Int32
  private let output: [PixelFormat]
  private let capture: [PixelFormat]

  init(_ capabilities: Int32, output: [PixelFormat], capture: [PixelFormat]) {
    self.capabilities = capabilities
    self.output = output
    self.capture = capture
  }

  func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    switch request {
    case CV4L2_VIDIOC_QUERYCAP:
      var answer = v4l2_capability()
      withUnsafeMutableBytes(of: &answer.driver) { $0.copyBytes(from: "listed".utf8) }
      answer.capabilities = UInt32(bitPattern: capabilities) | UInt32(V4L2_CAP_STREAMING)
      argument.storeBytes(of: answer, as: v4l2_capability.self)
      return 0
    case CV4L2_VIDIOC_ENUM_FMT:
      let description = argument.assumingMemoryBound(to: v4l2_fmtdesc.self)
      let isOutput = [V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE].contains {
        $0.rawValue == description.pointee.type
      }
      let formats = isOutput ? output : capture
      let index = Int(description.pointee.index)
      guard formats.indices.contains(index) else { return -EINVAL }
      description.pointee.pixelformat = formats[index].rawValue
      let compressed: [PixelFormat] = [.h264, .hevc, .jpeg, .mjpeg]
      description.pointee.flags =
        compressed.contains(formats[index]) ? UInt32(V4L2_FMT_FLAG_COMPRESSED) : 0
      return 0
    default: return -ENOTTY
    }
  }

  func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    throw Errno(rawValue: ENODEV)
  }
  func unmap(_ address: UnsafeMutableRawPointer, length: Int) {}
  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    .error
  }
  func wake() {}
  func reopen() {}
  func close() {}
}
