/// Who holds each OUTPUT buffer (raw frame).
package struct InputPool: Sendable {
  /// Who holds a buffer.
  package enum Holder: Hashable, Sendable {
    /// Nobody.
    case free
    /// A call of `encode`, or an application that renders into it.
    case writer
    /// The driver.
    case driver
  }

  private var holders: [Holder]
  private var freeList: [Int]
  package private(set) var heldByDriver = 0

  package init(count: Int) {
    holders = Array(repeating: .free, count: count)
    freeList = Array((0..<count).reversed())
  }

  package var count: Int { holders.count }
  package var hasFree: Bool { !freeList.isEmpty }

  /// Reserves a free buffer, the preferred one if that is free.
  package mutating func reserve(preferring preferred: Int? = nil) -> Int? {
    if let preferred, holders.indices.contains(preferred), holders[preferred] == .free {
      freeList.removeAll { $0 == preferred }
      holders[preferred] = .writer
      return preferred
    }
    guard let index = freeList.popLast() else { return nil }
    holders[index] = .writer
    return index
  }

  /// Gives a reserved buffer back for a free one that fits better; nil when there is none.
  package mutating func exchange(_ index: Int, where isFit: (Int) -> Bool) -> Int? {
    guard let position = freeList.lastIndex(where: isFit) else { return nil }
    let other = freeList[position]
    freeList[position] = index
    holders[index] = .free
    holders[other] = .writer
    return other
  }

  /// The writer gives the buffer to the driver.
  ///
  /// Called before QBUF, since the driver may be done before QBUF returns.
  package mutating func handToDriver(_ index: Int) {
    holders[index] = .driver
    heldByDriver += 1
  }

  /// QBUF failed: the driver does not have the buffer.
  package mutating func takeBackFromDriver(_ index: Int) {
    guard holders[index] == .driver else { return }
    heldByDriver -= 1
    holders[index] = .writer
  }

  /// The writer gives the buffer back unused.
  package mutating func release(_ index: Int) {
    guard holders[index] == .writer else { return }
    holders[index] = .free
    freeList.append(index)
  }

  /// The driver gave a buffer back; false when it never had it.
  package mutating func returnedByDriver(_ index: Int) -> Bool {
    guard holders.indices.contains(index), holders[index] == .driver else { return false }
    heldByDriver -= 1
    holders[index] = .free
    freeList.append(index)
    return true
  }

  /// STREAMOFF took every buffer from the driver.
  package mutating func driverStopped() {
    for index in holders.indices where holders[index] == .driver {
      holders[index] = .free
      freeList.append(index)
    }
    heldByDriver = 0
  }
}
