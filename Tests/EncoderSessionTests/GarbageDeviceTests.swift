import CV4L2
import Glibc
import Testing
import V4L2Encoder
import VirtualV4L2Device

/// A node that returns garbage is refused or ended with an error that says so: no trap, no access
/// out of bounds, no loop.
@Suite("Garbage from devices", .timeLimit(.minutes(3))) struct GarbageDeviceTests {
  /// What a driver answers that cannot be.
  enum Setup: String, CaseIterable {
    case codedSizeOfZero, rawSizeOfZero, noCodedPlanes, noRawPlanes, tooManyRawPlanes
    case hugePicture, hugeLines, unknownCodedFormat, unknownRawFormat
    case noBuffers, countlessBuffers, buffersWithoutBytes, shortBuffers, buffersWithoutPlanes
    case tooManyBufferPlanes

    var isOfFormat: Bool {
      switch self {
      case .codedSizeOfZero, .rawSizeOfZero, .noCodedPlanes, .noRawPlanes, .tooManyRawPlanes,
        .hugePicture, .hugeLines, .unknownCodedFormat, .unknownRawFormat:
        true
      case .noBuffers, .countlessBuffers, .buffersWithoutBytes, .shortBuffers,
        .buffersWithoutPlanes, .tooManyBufferPlanes:
        false
      }
    }
  }

  private static func isForFrames(_ type: UInt32) -> Bool {
    type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
  }

  private func spoil(_ format: UnsafeMutablePointer<v4l2_format>, _ setup: Setup) {
    let isForFrames = Self.isForFrames(format.pointee.type)
    func change(frames: Bool, _ body: (inout v4l2_pix_format_mplane) -> Void) {
      if isForFrames == frames { body(&format.pointee.fmt.pix_mp) }
    }
    switch setup {
    case .codedSizeOfZero: change(frames: false) { $0.plane_fmt.0.sizeimage = 0 }
    case .rawSizeOfZero: change(frames: true) { $0.plane_fmt.0.sizeimage = 0 }
    case .noCodedPlanes: change(frames: false) { $0.num_planes = 0 }
    case .noRawPlanes: change(frames: true) { $0.num_planes = 0 }
    case .tooManyRawPlanes: change(frames: true) { $0.num_planes = .max }
    case .hugePicture: change(frames: true) { ($0.width, $0.height) = (.max, .max) }
    case .hugeLines: change(frames: true) { $0.plane_fmt.0.bytesperline = .max }
    case .unknownCodedFormat: change(frames: false) { $0.pixelformat = .max }
    case .unknownRawFormat: change(frames: true) { $0.pixelformat = 0 }
    default: break
    }
  }

  private func bend(_ setup: Setup) throws -> BentTransport {
    BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0 else { return result }
      switch request {
      case CV4L2_VIDIOC_S_FMT, CV4L2_VIDIOC_G_FMT:
        spoil(argument.assumingMemoryBound(to: v4l2_format.self), setup)
      case CV4L2_VIDIOC_REQBUFS:
        let room = argument.assumingMemoryBound(to: v4l2_requestbuffers.self)
        guard room.pointee.count > 0 else { break }
        if setup == .noBuffers { room.pointee.count = 0 }
        if setup == .countlessBuffers { room.pointee.count = .max }
      case CV4L2_VIDIOC_QUERYBUF:
        let buffer = buffer(argument)
        switch setup {
        case .buffersWithoutBytes: buffer.pointee.m.planes.pointee.length = 0
        case .shortBuffers: buffer.pointee.m.planes.pointee.length -= 1
        case .buffersWithoutPlanes: buffer.pointee.length = 0
        case .tooManyBufferPlanes: buffer.pointee.length = .max
        default: break
        }
      default: break
      }
      return result
    }
  }

  @Test("formats and buffers that cannot be are refused", arguments: Setup.allCases)
  func setup(_ setup: Setup) async throws {
    let transport = try bend(setup)
    var configuration = Harness.configuration()
    configuration.inputMemory = .userPointer(planes: [
      PlaneLayout(offset: 0, bytesPerLine: 320), PlaneLayout(offset: 61_440, bytesPerLine: 160),
      PlaneLayout(offset: 76_800, bytesPerLine: 160),
    ])
    for memory in [InputMemory.copied, configuration.inputMemory] {
      // Places for the application's memory have no planes to be asked for.
      guard memory == .copied || setup.isOfFormat else { continue }
      configuration.inputMemory = memory
      let error = await #expect(throws: EncoderError.self) {
        try await H264Encoder.open(configuration, on: transport.selector)
      }
      if setup.isOfFormat {
        #expect(
          [.protocolViolation, .unsupported].contains(error?.code), "\(String(describing: error))")
      } else {
        #expect(
          ["VIDIOC_REQBUFS", "VIDIOC_QUERYBUF"].contains(error?.operation),
          "\(String(describing: error))")
      }
      #expect(transport.liveMappingCount == 0)
    }
  }

  @Test("lists of formats without an end are cut off, and formats without a name refused")
  func endlessFormats() async throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      guard request == CV4L2_VIDIOC_ENUM_FMT else { return device.perform(request, argument) }
      count.withLock { $0 += 1 }
      let format = argument.assumingMemoryBound(to: v4l2_fmtdesc.self)
      format.pointee.pixelformat = 0xff00_0000 | format.pointee.index
      format.pointee.flags = UInt32(V4L2_FMT_FLAG_COMPRESSED)
      return 0
    }
    let error = await #expect(throws: EncoderError.self) {
      try await H264Encoder.open(Harness.configuration(), on: transport.selector)
    }
    #expect(error?.code == .notAnEncoder)
    #expect(count.withLock { $0 } <= 1024)
  }

  @Test("lists of sizes and rates without an end are cut off")
  func endlessSizes() throws {
    let count = Locked(0)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      switch request {
      case CV4L2_VIDIOC_ENUM_FRAMESIZES:
        let size = argument.assumingMemoryBound(to: v4l2_frmsizeenum.self)
        size.pointee.type = V4L2_FRMSIZE_TYPE_DISCRETE.rawValue
        size.pointee.discrete = v4l2_frmsize_discrete(width: .max, height: size.pointee.index)
      case CV4L2_VIDIOC_ENUM_FRAMEINTERVALS:
        let interval = argument.assumingMemoryBound(to: v4l2_frmivalenum.self)
        interval.pointee.type = V4L2_FRMIVAL_TYPE_DISCRETE.rawValue
        interval.pointee.discrete = v4l2_fract(
          numerator: .max - interval.pointee.index, denominator: .max)
      default: return device.perform(request, argument)
      }
      count.withLock { $0 += 1 }
      return 0
    }
    let capabilities = try EncoderCapabilities.read(from: transport.selector)
    #expect(capabilities.codecs.allSatisfy { $0.sizes.count <= 256 })
    #expect(count.withLock { $0 } <= 16_384)
  }

  @Test("a payload that begins behind its end is a protocol violation")
  func offsetBehindTheEnd() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      let result = device.perform(request, argument)
      guard result == 0, takesPacket(request, argument) else { return result }
      let plane = buffer(argument).pointee.m.planes!
      plane.pointee.data_offset = plane.pointee.bytesused + 1
      return result
    }
    #expect(await failure(of: transport)?.code == .protocolViolation)
  }

  @Test("empty buffers for ever are no progress")
  func endlessEmptyBuffers() async throws {
    let isFlooding = Locked(false)
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      // The first packet stays in the device, so that it always has something to report.
      if takesPacket(request, argument) {
        isFlooding.withLock { $0 = true }
        let empty = buffer(argument)
        empty.pointee.index = 0
        empty.pointee.flags = 0
        empty.pointee.m.planes.pointee.bytesused = 0
        empty.pointee.m.planes.pointee.data_offset = 0
        return 0
      }
      let isReturned =
        request == CV4L2_VIDIOC_QBUF && !queuesFrame(request, argument)
        && isFlooding.withLock { $0 }
      return isReturned ? 0 : device.perform(request, argument)
    }
    #expect(await failure(of: transport)?.code == .deviceStalled)
  }

  @Test("frames that the device never got, returned for ever, are no progress")
  func endlessUnknownFrames() async throws {
    let transport = BentTransport(try Harness.device()) { request, argument, device in
      guard takesFrameBack(request, argument) else { return device.perform(request, argument) }
      buffer(argument).pointee.index = 77
      return 0
    }
    #expect(await failure(of: transport)?.code == .deviceStalled)
  }

  /// What ends an encoder that is fed until it fails.
  private func failure(of transport: BentTransport) async -> EncoderError? {
    await #expect(throws: EncoderError.self) {
      let encoder = try await H264Encoder.open(
        Harness.configuration {
          $0.deadlines = Deadlines(
            setup: .seconds(10), progress: .milliseconds(500), consumer: .seconds(20),
            silence: .milliseconds(50))
        }, on: transport.selector)
      let reader = Harness.collect(encoder.packets)
      defer { reader.cancel() }
      do {
        for time in Int64(0)..<200 { try await encoder.encode(Harness.frame(time)) }
        try await encoder.drain()
      } catch {
        await encoder.close()
        throw error
      }
      await encoder.close()
    }
  }
}
