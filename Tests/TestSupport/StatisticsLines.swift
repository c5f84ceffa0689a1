/// The lines of a file of `--stats` that are packets, not streams or samples.
public func packetLines(_ text: String) -> [Substring] {
  text.split(separator: "\n").filter { $0.hasPrefix(#"{"index":"#) }
}

/// The lines of a file of `--stats` that are samples.
public func sampleLines(_ text: String) -> [Substring] {
  text.split(separator: "\n").filter { $0.hasPrefix(#"{"sample":"#) }
}
