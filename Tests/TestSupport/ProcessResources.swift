internal import Foundation
internal import Glibc

/// What an encoder takes from the process it is in, as the kernel counts it.
///
/// Only a process that does nothing else can be compared with itself: run such tests in an exit
/// test.
public struct ProcessResources: Hashable, Sendable {
  /// Open descriptors.
  public var descriptors: Int
  /// Mappings of device memory.
  public var mappings: Int
  /// Threads of encoders and devices, without those of the Swift runtime.
  public var threads: Int

  /// What is in use now.
  public static var now: ProcessResources {
    ProcessResources(
      descriptors: names(in: "/proc/self/fd").count,
      mappings: lines(of: "/proc/self/maps").count { $0.contains("memfd:virtual-v4l2") },
      threads: names(in: "/proc/self/task").count { thread in
        lines(of: "/proc/self/task/\(thread)/comm").first?.hasPrefix("v4l2") == true
      })
  }

  /// Bytes of the heap that somebody holds, by the C library's own account (`malloc_info`); nil
  /// when it gives none.
  ///
  /// Pages would count what the heap keeps for later, too.
  public static var heapBytes: Int? {
    typealias MallocInfo = @convention(c) (Int32, UnsafeMutablePointer<FILE>) -> Int32
    // The module Glibc leaves <malloc.h> out.
    guard let symbol = dlsym(nil, "malloc_info"), let file = tmpfile() else { return nil }
    defer { fclose(file) }
    guard unsafeBitCast(symbol, to: MallocInfo.self)(0, file) == 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: ftell(file))
    rewind(file)
    guard fread(&bytes, 1, bytes.count, file) == bytes.count else { return nil }
    // The totals of all arenas come last.
    let totals =
      String(decoding: bytes, as: UTF8.self).components(separatedBy: "</heap>").last ?? ""
    guard let system = size("system type=\"current\"", totals), let free = size("rest", totals),
      let fast = size("fast", totals), let mapped = size("mmap", totals)
    else { return nil }
    return system + mapped - free - fast
  }

  /// The `size` of an element of `malloc_info`, named by how it begins or by its type.
  private static func size(_ name: String, _ text: String) -> Int? {
    let start = name.contains("=") ? "<\(name)" : "<total type=\"\(name)\""
    guard let element = text.firstRange(of: start),
      let size = text[element.upperBound...].firstRange(of: "size=\"")
    else { return nil }
    return Int(text[size.upperBound...].prefix { $0.isNumber })
  }

  private static func names(in directory: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
  }

  private static func lines(of path: String) -> [Substring] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    return text.split(separator: "\n")
  }
}
