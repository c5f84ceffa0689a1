/// Opens devices whose requests are written down.
package struct TracingTransport: Transport {
  private let inner: any Transport
  private let trace: DeviceTrace

  package init(_ inner: any Transport, _ trace: DeviceTrace) {
    self.inner = inner
    self.trace = trace
  }

  package func open(_ path: String) throws(OpenFailure) -> any DeviceHandle {
    let number = trace.nextHandle()
    let call = trace.begin("\(number) open \(path)")
    do throws(OpenFailure) {
      let handle = try inner.open(path)
      trace.end(call, "\(type(of: handle))")
      return TracingHandle(handle, number, trace)
    } catch {
      trace.end(call, "\(error.errno)" + (error.explanation.map { " \($0)" } ?? ""))
      throw error
    }
  }
}

/// A device whose requests are written down.
private final class TracingHandle: DeviceHandle {
  private let inner: any DeviceHandle
  private let number: Int
  private let trace: DeviceTrace

  init(_ inner: any DeviceHandle, _ number: Int, _ trace: DeviceTrace) {
    self.inner = inner
    self.number = number
    self.trace = trace
  }

  @unsafe func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    let given = unsafe RequestText.given(request, argument)
    let call = trace.begin("\(number) \(RequestText.name(request))\(given)")
    let result = unsafe inner.ioctl(request, argument)
    let answer = unsafe result < 0 ? "" : RequestText.answer(request, argument)
    trace.end(call, result < 0 ? "\(Errno(rawValue: -result))" : "\(result)\(answer)")
    return result
  }

  @unsafe func map(_ plane: PlaneIdentity, length: Int) throws(Errno) -> UnsafeMutableRawPointer {
    let call = trace.begin(
      "\(number) map \(RequestText.queue(plane.bufferType)) \(plane.index) plane \(plane.plane) "
        + "offset \(RequestText.hexadecimal(plane.memoryOffset)) length \(length)")
    do throws(Errno) {
      let address = try unsafe inner.map(plane, length: length)
      trace.end(call, "0")
      return unsafe address
    } catch {
      trace.end(call, "\(error)")
      throw error
    }
  }

  @unsafe func unmap(_ address: UnsafeMutableRawPointer, length: Int) {
    let call = trace.begin("\(number) unmap length \(length)")
    unsafe inner.unmap(address, length: length)
    trace.end(call, "0")
  }

  func wait(for interest: Readiness, until deadline: MonotonicTime?) throws(Errno) -> Readiness {
    let limit = deadline.map { " for \(max(0, ($0 - .now).inNanoseconds / 1000)) us" } ?? ""
    let call = trace.begin("\(number) poll \(RequestText.readiness(interest))\(limit)")
    do throws(Errno) {
      let ready = try inner.wait(for: interest, until: deadline)
      trace.end(call, RequestText.readiness(ready))
      return ready
    } catch {
      trace.end(call, "\(error)")
      throw error
    }
  }

  func wake() { inner.wake() }

  func reopen() throws(Errno) {
    let call = trace.begin("\(number) reopen")
    do throws(Errno) {
      try inner.reopen()
      trace.end(call, "0")
    } catch {
      trace.end(call, "\(error)")
      throw error
    }
  }

  func close() {
    let call = trace.begin("\(number) close")
    inner.close()
    trace.end(call, "0")
  }
}

extension DeviceSelector {
  /// The same device with every request written down.
  public func traced(by trace: DeviceTrace) -> DeviceSelector {
    switch choice {
    case .automatic: DeviceSelector(.automatic, isNode: isNode, trace: trace)
    case .node(let path, let transport):
      DeviceSelector(
        .node(path: path, TracingTransport(transport, trace)), isNode: isNode, trace: trace)
    }
  }
}
