/// Finds out what a node is, by QUERYCAP and ENUM_FMT, without streaming.
package enum DeviceProbe {
  package static func candidates() -> [String] { [] }
  package static func examine(path: String, transport: any Transport) -> DeviceReport {
    DeviceReport(path: path, kind: .unknown)
  }
}
