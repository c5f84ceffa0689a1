/// What stands behind the OUTPUT buffers (raw frames).
enum InputBacking: Sendable {
  /// The driver's own buffers, mapped.
  case mapped([MappedBuffer])
  /// Places for DMABUFs of the application.
  case imported(ImportTable)

  /// Where the buffers' memory comes from.
  var memory: BufferMemory {
    switch self {
    case .mapped: .mapped
    case .imported: .imported
    }
  }
}

/// Which DMABUF each import place holds.
///
/// A driver attaches a DMABUF to a place anew whenever another one comes there, so one that comes
/// again goes where it was before.
package struct ImportTable: Sendable {
  private var descriptors: [Int32]
  private var images: [DMABUFImage?]

  package init(count: Int) {
    descriptors = Array(repeating: -1, count: count)
    images = Array(repeating: nil, count: count)
  }

  /// The place that held this DMABUF last.
  package func place(of image: DMABUFImage) -> Int? {
    guard let descriptor = image.planes.first?.descriptor else { return nil }
    return descriptors.firstIndex(of: descriptor)
  }

  /// Keeps an image while the driver reads it.
  package mutating func attach(_ image: DMABUFImage, to index: Int) {
    descriptors[index] = image.planes.first?.descriptor ?? -1
    images[index] = image
  }

  /// Gives an image back; the caller drops it outside the lock, since its producer is told then.
  package mutating func detach(_ index: Int) -> DMABUFImage? {
    guard images.indices.contains(index) else { return nil }
    return images[index].take()
  }

  /// Gives every image back.
  package mutating func detachAll() -> [DMABUFImage] {
    images.indices.compactMap { images[$0].take() }
  }
}
