internal import CLibYUV

/// Gives a codec the three planes it wants, without a copy where the client has them.
final class PlanarConverter {
  /// Three planes, valid until the next picture.
  struct Planes {
    let y: UnsafeMutablePointer<UInt8>
    let u: UnsafeMutablePointer<UInt8>
    let v: UnsafeMutablePointer<UInt8>
    let lumaStride: Int
    let chromaStride: Int
  }

  private let width: Int
  private let height: Int
  private var scratch: UnsafeMutableRawPointer?

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  deinit { scratch?.deallocate() }

  func planes(of picture: RawPicture) -> Planes {
    let source = (
      picture.planes[0].assumingMemoryBound(to: UInt8.self),
      picture.planes[1].assumingMemoryBound(to: UInt8.self),
      picture.planes[2].assumingMemoryBound(to: UInt8.self)
    )
    if picture.layout == .planar || picture.layout == .planarSwapped {
      let isSwapped = picture.layout == .planarSwapped
      return Planes(
        y: source.0, u: isSwapped ? source.2 : source.1, v: isSwapped ? source.1 : source.2,
        lumaStride: picture.strides[0], chromaStride: picture.strides[1])
    }
    let target = scratchPlanes()
    let luma = Int32(target.lumaStride)
    let chroma = Int32(target.chromaStride)
    let first = Int32(picture.strides[0])
    let second = Int32(picture.strides[1])
    let size = (Int32(width), Int32(height))
    switch picture.layout {
    case .semiPlanar:
      NV12ToI420(
        source.0, first, source.1, second, target.y, luma, target.u, chroma, target.v, chroma,
        size.0, size.1)
    case .semiPlanarSwapped:
      NV21ToI420(
        source.0, first, source.1, second, target.y, luma, target.u, chroma, target.v, chroma,
        size.0, size.1)
    case .packed:
      YUY2ToI420(
        source.0, first, target.y, luma, target.u, chroma, target.v, chroma, size.0, size.1)
    case .packedChromaFirst:
      UYVYToI420(
        source.0, first, target.y, luma, target.u, chroma, target.v, chroma, size.0, size.1)
    case .planar, .planarSwapped: break
    }
    return target
  }

  private func scratchPlanes() -> Planes {
    let lumaStride = (width + 63) & ~63
    let chromaStride = lumaStride / 2
    let lumaSize = lumaStride * height
    let chromaSize = chromaStride * ((height + 1) / 2)
    let base =
      scratch
      ?? UnsafeMutableRawPointer.allocate(byteCount: lumaSize + 2 * chromaSize, alignment: 64)
    scratch = base
    return Planes(
      y: base.assumingMemoryBound(to: UInt8.self),
      u: (base + lumaSize).assumingMemoryBound(to: UInt8.self),
      v: (base + lumaSize + chromaSize).assumingMemoryBound(to: UInt8.self),
      lumaStride: lumaStride, chromaStride: chromaStride)
  }
}
