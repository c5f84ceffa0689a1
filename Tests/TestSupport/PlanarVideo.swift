internal import CLibYUV
internal import Foundation

/// A file of raw I420 pictures, mapped.
public struct PlanarVideo: Sendable {
  /// Columns and rows.
  public let width, height: Int
  /// Where the pictures are.
  public let path: String
  private let data: Data

  /// Opens a file of I420 pictures.
  ///
  /// - Throws: `TestSupportError` when it cannot be read or does not hold whole pictures.
  public init(path: String, width: Int, height: Int) throws(TestSupportError) {
    self.path = path
    self.width = width
    self.height = height
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    } catch {
      throw TestSupportError("\(path): \(error)")
    }
    guard data.count % frameBytes == 0 else {
      throw TestSupportError("\(path): \(data.count) bytes are no whole \(width)x\(height) frames")
    }
  }

  /// Bytes of one picture.
  public var frameBytes: Int { width * height + 2 * ((width + 1) / 2) * ((height + 1) / 2) }
  /// How many pictures there are.
  public var frameCount: Int { data.count / frameBytes }

  /// A copy of one picture: Y, Cb and Cr without gaps.
  public func frame(_ index: Int) -> [UInt8] {
    [UInt8](data[index * frameBytes..<(index + 1) * frameBytes])
  }

  /// The luma PSNR of one picture against one of another video, in decibels.
  ///
  /// Equal pictures have 128 dB.
  public func lumaPSNR(_ index: Int, against other: PlanarVideo, at otherIndex: Int) -> Double {
    psnr(lumaError(index, against: other, at: otherIndex), samples: width * height)
  }

  /// Compares all pictures in order.
  ///
  /// - Throws: `TestSupportError` when sizes or numbers of pictures differ.
  public func lumaPSNR(against other: PlanarVideo) throws(TestSupportError) -> LumaQuality {
    guard width == other.width, height == other.height, frameCount == other.frameCount else {
      throw TestSupportError(
        "\(frameCount) frames of \(width)x\(height) against "
          + "\(other.frameCount) of \(other.width)x\(other.height)")
    }
    let errors = (0..<frameCount).map { lumaError($0, against: other, at: $0) }
    return LumaQuality(
      overall: psnr(errors.reduce(0, +), samples: width * height * frameCount),
      perFrame: errors.map { psnr($0, samples: width * height) })
  }

  private func lumaError(_ index: Int, against other: PlanarVideo, at otherIndex: Int) -> UInt64 {
    data.withUnsafeBytes { mine in
      other.data.withUnsafeBytes { theirs in
        ComputeSumSquareErrorPlane(
          mine.baseAddress?.advanced(by: index * frameBytes)
            .assumingMemoryBound(to: UInt8.self), Int32(width),
          theirs.baseAddress?.advanced(by: otherIndex * frameBytes)
            .assumingMemoryBound(to: UInt8.self), Int32(width), Int32(width), Int32(height))
      }
    }
  }

  private func psnr(_ error: UInt64, samples: Int) -> Double {
    SumSquareErrorToPsnr(error, UInt64(samples))
  }
}

/// How near two runs of as many bytes are, in decibels.
public func byteQuality(_ left: [UInt8], _ right: [UInt8]) -> Double {
  let count = Int32(min(left.count, right.count))
  let error = ComputeSumSquareErrorPlane(left, count, right, count, count, 1)
  return SumSquareErrorToPsnr(error, UInt64(count))
}

/// How near the luma of two videos is, in decibels.
public struct LumaQuality: Sendable {
  /// From the error summed over all frames.
  public let overall: Double
  /// Each frame by itself.
  public let perFrame: [Double]
  /// The worst frame.
  public var lowest: Double { perFrame.min() ?? 0 }
}
