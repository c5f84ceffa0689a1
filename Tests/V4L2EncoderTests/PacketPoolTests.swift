import Testing

@testable import V4L2Encoder

/// Memory of packets that is used again.
struct PacketPoolTests {
  private func packet(_ bytes: [UInt8], from pool: inout PacketPool) -> PacketData {
    let data = pool.take()
    let buffer = unsafe PacketBuffer(room: 4, byteCount: bytes.count, in: data) { target in
      unsafe bytes.withUnsafeBytes { source in
        if let start = source.baseAddress {
          unsafe target.copyMemory(from: start, byteCount: source.count)
        }
      }
    }
    return buffer.finish()
  }

  @Test("a packet that somebody holds keeps its bytes, one that nobody holds is used again")
  func reuse() {
    var pool = PacketPool(capacity: 3)
    let held = packet([1, 2, 3], from: &pool)
    var second: PacketData? = packet([4, 5], from: &pool)
    let place = second.map(ObjectIdentifier.init)
    second = nil
    let third = packet([UInt8](repeating: 7, count: 1000), from: &pool)
    // Under the thread sanitizer another one took its place (see `isSoleHolder`).
    #if !V4L2ENC_TSAN
    #expect(ObjectIdentifier(third) == place)
    #endif
    #expect(third.array == [UInt8](repeating: 7, count: 1000))
    #expect(held.array == [1, 2, 3])
    #expect(third !== held)
  }

  @Test("more packets than the pool keeps are made all the same")
  func beyondCapacity() {
    var pool = PacketPool(capacity: 2)
    let packets = (UInt8(0)..<10).map { packet([$0, $0], from: &pool) }
    #expect(packets.map(\.array) == (UInt8(0)..<10).map { [$0, $0] })
    #expect(Set(packets.map(ObjectIdentifier.init)).count == 10)
  }

  @Test("a reader on another thread never sees the next packet in the memory of its own")
  func threads() async {
    let stream = AsyncStream.makeStream(of: (Int, PacketData).self)
    let reader = Task {
      var wrong = 0
      for await (number, data) in stream.stream where data.array != Self.bytes(number) {
        wrong += 1
      }
      return wrong
    }
    var pool = PacketPool(capacity: 8)
    for number in 0..<20_000 {
      stream.continuation.yield((number, packet(Self.bytes(number), from: &pool)))
      if number.isMultiple(of: 16) { await Task.yield() }
    }
    stream.continuation.finish()
    #expect(await reader.value == 0)
  }

  private static func bytes(_ number: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 + number % 300)
  }
}
