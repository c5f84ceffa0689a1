import Foundation
import TestSupport
import Testing

@testable import V4L2Encoder

/// A node that is opened anew behind the number it has.
@Suite(.timeLimit(.minutes(1))) struct KernelTransportTests {
  /// The numbers of this process' descriptors of a file, and whether each is closed by execve.
  private func descriptors(of path: String) throws -> [Int32: Bool] {
    let files = FileManager.default
    var found: [Int32: Bool] = [:]
    for name in try files.contentsOfDirectory(atPath: "/proc/self/fd") {
      guard let number = Int32(name),
        let target = try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)"),
        target == path || target == path + " (deleted)"
      else { continue }
      found[number] = fcntl(number, F_GETFD) & FD_CLOEXEC != 0
    }
    return found
  }

  @Test("the number stays, the file behind it is the one that the path names now")
  func anotherFile() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([1], to: "node")
    let handle = try KernelTransport().open(path)
    let before = try descriptors(of: path)
    #expect(before.count == 1 && before.values.allSatisfy { $0 })
    let successor = try directory.write([UInt8](repeating: 7, count: 4096), to: "successor")
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.moveItem(atPath: successor, toPath: path)
    try handle.reopen()
    #expect(try descriptors(of: path) == before)
    let plane = PlaneIdentity(bufferType: 10, index: 0, plane: 0, memoryOffset: 0)
    let address = try handle.map(plane, length: 4096)
    #expect(address.load(as: UInt8.self) == 7)
    handle.unmap(address, length: 4096)
    handle.close()
    #expect(try descriptors(of: path).isEmpty)
  }

  @Test("a node that is gone says so, and is given back all the same")
  func gone() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([1], to: "node")
    let handle = try KernelTransport().open(path)
    try FileManager.default.removeItem(atPath: path)
    let error = #expect(throws: Errno.self) { try handle.reopen() }
    #expect(error?.rawValue == ENOENT)
    handle.close()
    #expect(try descriptors(of: path).isEmpty)
  }
}
