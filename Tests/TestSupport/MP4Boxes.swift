/// Looks for boxes in an MP4 file without a full parser.
public enum MP4Boxes {
  /// The content of a top-level box, such as `mdat`.
  ///
  /// - Throws: `TestSupportError` when there is none.
  public static func topLevel(_ name: String, in file: [UInt8]) throws -> [UInt8] {
    var offset = 0
    while offset + 8 <= file.count {
      let size = number(file, at: offset)
      guard size >= 8, size <= file.count - offset else { break }
      if Array(file[offset + 4..<offset + 8]) == Array(name.utf8) {
        return Array(file[offset + 8..<offset + size])
      }
      offset += size
    }
    throw TestSupportError("no \(name) in the file")
  }

  /// The content of the first box of that name at any depth, such as `avcC`.
  ///
  /// - Throws: `TestSupportError` when there is none.
  public static func anywhere(_ name: String, in file: [UInt8]) throws -> [UInt8] {
    let pattern = Array(name.utf8)
    for offset in 4..<max(file.count - 3, 4) where Array(file[offset..<offset + 4]) == pattern {
      let size = number(file, at: offset - 4)
      if size >= 8, size <= file.count - offset + 4 {
        return Array(file[offset + 4..<offset - 4 + size])
      }
    }
    throw TestSupportError("no \(name) in the file")
  }

  private static func number(_ bytes: [UInt8], at offset: Int) -> Int {
    bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
  }
}
