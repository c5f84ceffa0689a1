import CV4L2
import Foundation
import Glibc

@testable import V4L2Encoder
@testable import VirtualV4L2Device

/// A client that speaks in C structs, as a program on a device node would.
final class DeviceClient {
  let device: VirtualDevice
  let handle: any DeviceHandle
  let isMultiplanar: Bool
  private(set) var mappings: [Mapping] = []

  struct Mapping {
    let direction: Direction
    let index: Int
    let plane: Int
    let address: UnsafeMutableRawPointer
    let length: Int
  }

  struct Failure: Error, CustomStringConvertible {
    let request: String
    let errno: Int32
    var description: String { "\(request): \(String(cString: strerror(errno)))" }
  }

  init(_ device: VirtualDevice, isMultiplanar: Bool = true) throws {
    self.device = device
    self.isMultiplanar = isMultiplanar
    handle = try VirtualTransport(device).open("virtual")
  }

  convenience init(
    _ api: VirtualDevice.Configuration.Interface = .multiplanar,
    h264: VirtualDevice.Configuration.H264Codec = .null,
    hevc: VirtualDevice.Configuration.HEVCCodec = .null, delay: Int = 0
  ) throws {
    let device = try VirtualDevice(
      .init(api: api, h264: h264, hevc: hevc, nullDelay: delay))
    try self.init(device, isMultiplanar: api == .multiplanar)
  }

  deinit { close() }

  func unmapAll() {
    for mapping in mappings { handle.unmap(mapping.address, length: mapping.length) }
    mappings = []
  }

  func close() {
    unmapAll()
    handle.close()
  }

  func type(_ direction: Direction) -> UInt32 {
    switch (direction, isMultiplanar) {
    case (.output, true): V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
    case (.capture, true): V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue
    case (.output, false): V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
    case (.capture, false): V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
    }
  }

  /// The result of a request: 0 or more, or a negated errno.
  func result<T>(_ request: UInt, _ argument: inout T) -> Int32 {
    withUnsafeMutablePointer(to: &argument) { handle.ioctl(request, UnsafeMutableRawPointer($0)) }
  }

  func call<T>(_ request: UInt, _ argument: inout T, _ name: String = #function) throws {
    let result = result(request, &argument)
    if result < 0 { throw Failure(request: name, errno: -result) }
  }

  // MARK: formats

  struct Format {
    var fourCC: UInt32
    var width: UInt32
    var height: UInt32
    var planes: [(stride: UInt32, size: UInt32)]
    var color: (space: UInt32, matrix: UInt32, quantization: UInt32, transfer: UInt32)
  }

  private func decode(_ raw: v4l2_format) -> Format {
    guard isMultiplanar else {
      let pix = raw.fmt.pix
      return Format(
        fourCC: pix.pixelformat, width: pix.width, height: pix.height,
        planes: [(pix.bytesperline, pix.sizeimage)],
        color: (pix.colorspace, pix.ycbcr_enc, pix.quantization, pix.xfer_func))
    }
    let pix = raw.fmt.pix_mp
    let tuple = pix.plane_fmt
    let all = [tuple.0, tuple.1, tuple.2]
    return Format(
      fourCC: pix.pixelformat, width: pix.width, height: pix.height,
      planes: all.prefix(Int(pix.num_planes)).map { ($0.bytesperline, $0.sizeimage) },
      color: (
        pix.colorspace, UInt32(pix.ycbcr_enc), UInt32(pix.quantization), UInt32(pix.xfer_func)
      ))
  }

  func getFormat(_ direction: Direction) throws -> Format {
    var raw = v4l2_format()
    raw.type = type(direction)
    try call(CV4L2_VIDIOC_G_FMT, &raw)
    return decode(raw)
  }

  func setFormat(
    _ direction: Direction, _ fourCC: UInt32, _ width: UInt32 = 0, _ height: UInt32 = 0,
    stride: UInt32 = 0, sizeImage: UInt32 = 0,
    color: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0),
    request: UInt = CV4L2_VIDIOC_S_FMT
  ) throws -> Format {
    var raw = v4l2_format()
    raw.type = type(direction)
    if isMultiplanar {
      raw.fmt.pix_mp.pixelformat = fourCC
      raw.fmt.pix_mp.width = width
      raw.fmt.pix_mp.height = height
      raw.fmt.pix_mp.num_planes = 1
      raw.fmt.pix_mp.plane_fmt.0.bytesperline = stride
      raw.fmt.pix_mp.plane_fmt.0.sizeimage = sizeImage
      raw.fmt.pix_mp.colorspace = color.0
      raw.fmt.pix_mp.ycbcr_enc = UInt8(truncatingIfNeeded: color.1)
      raw.fmt.pix_mp.quantization = UInt8(truncatingIfNeeded: color.2)
      raw.fmt.pix_mp.xfer_func = UInt8(truncatingIfNeeded: color.3)
    } else {
      raw.fmt.pix.priv = UInt32(V4L2_PIX_FMT_PRIV_MAGIC)
      raw.fmt.pix.pixelformat = fourCC
      raw.fmt.pix.width = width
      raw.fmt.pix.height = height
      raw.fmt.pix.bytesperline = stride
      raw.fmt.pix.sizeimage = sizeImage
      raw.fmt.pix.colorspace = color.0
      raw.fmt.pix.ycbcr_enc = color.1
      raw.fmt.pix.quantization = color.2
      raw.fmt.pix.xfer_func = color.3
    }
    try call(request, &raw)
    return decode(raw)
  }

  func setCrop(_ width: UInt32, _ height: UInt32, left: Int32 = 0, top: Int32 = 0) throws
    -> v4l2_rect
  {
    var selection = v4l2_selection()
    selection.type = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
    selection.target = UInt32(V4L2_SEL_TGT_CROP)
    selection.r = v4l2_rect(left: left, top: top, width: width, height: height)
    try call(CV4L2_VIDIOC_S_SELECTION, &selection)
    return selection.r
  }

  // MARK: controls

  func setControl(_ identifier: Int32, _ value: Int32) throws {
    var control = v4l2_control(id: UInt32(bitPattern: identifier), value: value)
    try call(CV4L2_VIDIOC_S_CTRL, &control)
  }

  func getControl(_ identifier: Int32) throws -> Int32 {
    var control = v4l2_control(id: UInt32(bitPattern: identifier), value: 0)
    try call(CV4L2_VIDIOC_G_CTRL, &control)
    return control.value
  }

  // MARK: buffers

  @discardableResult
  func request(_ direction: Direction, _ count: UInt32, memory: v4l2_memory = V4L2_MEMORY_MMAP)
    throws -> UInt32
  {
    var argument = v4l2_requestbuffers()
    argument.type = type(direction)
    argument.memory = memory.rawValue
    argument.count = count
    try call(CV4L2_VIDIOC_REQBUFS, &argument)
    return argument.count
  }

  /// Calls `body` with a buffer struct whose planes pointer is good.
  func withBuffer<Result>(
    _ direction: Direction, _ index: UInt32, memory: v4l2_memory = V4L2_MEMORY_MMAP,
    _ body: (inout v4l2_buffer, UnsafeMutablePointer<v4l2_plane>) throws -> Result
  ) rethrows -> Result {
    var planes = [v4l2_plane](repeating: v4l2_plane(), count: 8)
    return try planes.withUnsafeMutableBufferPointer { planes in
      let base = planes.baseAddress.unsafelyUnwrapped
      var buffer = v4l2_buffer()
      buffer.type = type(direction)
      buffer.index = index
      buffer.memory = memory.rawValue
      if isMultiplanar {
        buffer.m.planes = base
        buffer.length = UInt32(planes.count)
      }
      return try body(&buffer, base)
    }
  }

  /// Maps every plane of a queue.
  func mapAll(_ direction: Direction, _ count: UInt32) throws {
    for index in 0..<count {
      try withBuffer(direction, index) { buffer, planes in
        try call(CV4L2_VIDIOC_QUERYBUF, &buffer)
        let described =
          isMultiplanar
          ? (0..<Int(buffer.length)).map { (planes[$0].length, planes[$0].m.mem_offset) }
          : [(buffer.length, buffer.m.offset)]
        for (plane, (length, offset)) in described.enumerated() {
          let identity = PlaneIdentity(
            bufferType: buffer.type, index: index, plane: UInt32(plane), memoryOffset: offset)
          let address = try handle.map(identity, length: Int(length))
          mappings.append(
            Mapping(
              direction: direction, index: Int(index), plane: plane, address: address,
              length: Int(length)))
        }
      }
    }
  }

  func planes(_ direction: Direction, _ index: Int) -> [Mapping] {
    mappings.filter { $0.direction == direction && $0.index == index }
  }

  func stream(_ direction: Direction, on: Bool) throws {
    var type = type(direction)
    try call(on ? CV4L2_VIDIOC_STREAMON : CV4L2_VIDIOC_STREAMOFF, &type)
  }

  func queue(
    _ direction: Direction, _ index: Int, timestamp: Int = 0, bytesUsed: [UInt32]? = nil,
    flags: UInt32 = 0
  ) throws {
    try withBuffer(direction, UInt32(index)) { buffer, planes in
      buffer.timestamp.tv_sec = timestamp / 1_000_000
      buffer.timestamp.tv_usec = timestamp % 1_000_000
      buffer.flags = flags
      if direction == .output {
        for plane in self.planes(.output, index) {
          let used = bytesUsed?[plane.plane] ?? UInt32(plane.length)
          if isMultiplanar { planes[plane.plane].bytesused = used } else { buffer.bytesused = used }
        }
      }
      try call(CV4L2_VIDIOC_QBUF, &buffer)
    }
  }

  struct Dequeued {
    let index: Int
    let bytesUsed: Int
    let flags: UInt32
    let timestamp: Int
    let sequence: UInt32
    var isLast: Bool { flags & UInt32(V4L2_BUF_FLAG_LAST) != 0 }
    var isKey: Bool { flags & UInt32(V4L2_BUF_FLAG_KEYFRAME) != 0 }
    var isFaulty: Bool { flags & UInt32(V4L2_BUF_FLAG_ERROR) != 0 }
  }

  /// One DQBUF.
  func dequeueNow(_ direction: Direction, memory: v4l2_memory = V4L2_MEMORY_MMAP) throws
    -> Dequeued
  {
    try withBuffer(direction, 0, memory: memory) { buffer, planes in
      try call(CV4L2_VIDIOC_DQBUF, &buffer)
      return Dequeued(
        index: Int(buffer.index),
        bytesUsed: Int(isMultiplanar ? planes[0].bytesused : buffer.bytesused),
        flags: buffer.flags,
        timestamp: buffer.timestamp.tv_sec * 1_000_000 + buffer.timestamp.tv_usec,
        sequence: buffer.sequence)
    }
  }

  /// Waits up to a minute for a buffer: a large picture takes its time on a busy machine.
  func dequeue(_ direction: Direction, memory: v4l2_memory = V4L2_MEMORY_MMAP) throws -> Dequeued {
    let deadline = MonotonicTime.now + .seconds(60)
    while true {
      do { return try dequeueNow(direction, memory: memory) } catch let failure as Failure {
        guard failure.errno == EAGAIN, MonotonicTime.now < deadline else { throw failure }
      }
      _ = try handle.wait(for: direction == .output ? .output : .capture, until: deadline)
    }
  }

  func bytes(_ dequeued: Dequeued) -> Data {
    guard let mapping = planes(.capture, dequeued.index).first else { return Data() }
    return Data(bytes: mapping.address, count: dequeued.bytesUsed)
  }

  func command(_ command: Int32) -> Int32 {
    var argument = v4l2_encoder_cmd()
    argument.cmd = UInt32(command)
    return result(CV4L2_VIDIOC_ENCODER_CMD, &argument)
  }
}

/// The number that a request of a client failed with; 0 when none did.
func errno(_ body: () throws -> Void) -> Int32 {
  do {
    try body()
    return 0
  } catch let failure as DeviceClient.Failure {
    return failure.errno
  } catch {
    return -1
  }
}
