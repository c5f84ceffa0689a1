/// Memory of packets, used again when nobody but the pool holds it any more: in the end a packet
/// costs no allocation.
package struct PacketPool: Sendable {
  private var pieces: [PacketData] = []
  private let capacity: Int
  /// Where the search begins: packets are mostly given up in the order they were made in.
  private var next = 0

  /// Creates an empty pool.
  ///
  /// - Parameter capacity: how many packets it keeps; further ones are allocated on their own.
  package init(capacity: Int) {
    self.capacity = capacity
    pieces.reserveCapacity(capacity)
  }

  /// Takes memory for one packet; nobody else holds it.
  mutating func take() -> PacketData {
    for step in pieces.indices {
      let index = (next + step) % pieces.count
      if isSoleHolder(of: &pieces[index], renewed: PacketData(capacity: 0)) {
        next = (index + 1) % pieces.count
        return pieces[index]
      }
    }
    let piece = PacketData(capacity: 0)
    if pieces.count < capacity { pieces.append(piece) }
    return piece
  }
}
