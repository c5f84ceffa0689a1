/// What stands behind the OUTPUT buffers (raw frames).
enum InputBacking: Sendable {
  /// The driver's own buffers, mapped.
  case mapped([MappedBuffer])
  /// Places for DMABUFs of the application.
  case imported(ImportTable)
  /// Places for memory of the application.
  case pointers(PointerTable)

  /// Where the buffers' memory comes from.
  var memory: BufferMemory {
    switch self {
    case .mapped: .mapped
    case .imported: .imported
    case .pointers: .userPointer
    }
  }
}

/// Something of the application's that the driver reads where it is, until its place comes back.
package enum LentFrame: Sendable {
  case image(DMABUFImage)
  case memory(FrameMemory)
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

/// Which memory each place for addresses holds, and held last.
///
/// videobuf2 pins the pages behind an address when it comes to a place and keeps them until another
/// address or length comes there (`__prepare_userptr`). Memory that was freed and allocated again
/// has the same address and other pages: at a place that held that address before, the driver would
/// encode the old picture.
package struct PointerTable: Sendable {
  private struct Place {
    /// What the driver may have pinned.
    var addresses = PlaneAddresses()
    /// The identity of the memory that was there; nil for the place's own bounce buffer.
    var owner: UInt64?
    var memory: FrameMemory?
    var bounce: BounceBuffer?
  }

  private var places: [Place]

  package init(count: Int) { places = Array(repeating: Place(), count: count) }

  /// Whether the driver would read what it pinned at this place before instead of this memory.
  package func isStale(_ index: Int, _ addresses: PlaneAddresses, owner: UInt64) -> Bool {
    places[index].owner != owner && places[index].addresses.meets(addresses)
  }

  /// Keeps memory while the driver reads it.
  package mutating func attach(_ memory: FrameMemory, at addresses: PlaneAddresses, to index: Int) {
    places[index].addresses = addresses
    places[index].owner = memory.identity
    places[index].memory = memory
  }

  /// The place's own buffer, if it has one yet.
  package func bounce(_ index: Int) -> BounceBuffer? { places[index].bounce }

  /// Notes that the driver reads the place's own buffer.
  package mutating func attach(_ bounce: BounceBuffer, to index: Int) {
    places[index].bounce = bounce
    places[index].addresses = bounce.addresses
    places[index].owner = nil
  }

  /// Gives memory back; the caller drops it outside the lock, since its owner is told then.
  package mutating func detach(_ index: Int) -> FrameMemory? {
    guard places.indices.contains(index) else { return nil }
    return places[index].memory.take()
  }

  /// Gives all memory back; what the driver has pinned stays known.
  package mutating func detachAll() -> [FrameMemory] {
    places.indices.compactMap { places[$0].memory.take() }
  }
}
