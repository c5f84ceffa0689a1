internal import Glibc

/// Numbers as people read them.
enum Units {
  /// `2.30 Mbit/s`, `500 kbit/s`.
  static func bitrate(_ bits: Int) -> String {
    switch bits {
    case 1_000_000...: return fixed(Double(bits) / 1e6, 2) + " Mbit/s"
    case 10_000...: return fixed(Double(bits) / 1e3, 0) + " kbit/s"
    default: return "\(bits) bit/s"
    }
  }

  /// `12 bytes`, `3.4 kB`, `5.6 MB`, `7.8 GB`.
  static func bytes(_ count: Int) -> String {
    switch count {
    case 1_000_000_000...: return fixed(Double(count) / 1e9, 2) + " GB"
    case 1_000_000...: return fixed(Double(count) / 1e6, 2) + " MB"
    case 10_000...: return fixed(Double(count) / 1e3, 1) + " kB"
    default: return "\(count) bytes"
    }
  }

  /// `8.1 ms`, `250 us`.
  static func duration(microseconds: Int) -> String {
    microseconds < 1000 ? "\(microseconds) us" : fixed(Double(microseconds) / 1000, 1) + " ms"
  }

  /// `1:02:03` or `2:03`.
  static func clock(_ seconds: Int) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
    let rest = padded(seconds % 60, 2)
    return hours > 0 ? "\(hours):\(padded(minutes, 2)):\(rest)" : "\(minutes):\(rest)"
  }

  /// `90 s`, `5 min`, `24 h`: in the largest unit that comes out whole.
  static func span(_ duration: Duration) -> String {
    let milliseconds = duration.inMicroseconds / 1000
    for (unit, name) in [(3_600_000, "h"), (60_000, "min")]
    where milliseconds.isMultiple(of: unit) && milliseconds > 0 {
      return "\(milliseconds / unit) \(name)"
    }
    return seconds(duration) + " s"
  }

  /// `2026-05-01 13:37 UTC`, of seconds since 1970.
  static func date(_ seconds: Int) -> String {
    var time = time_t(seconds)
    var parts = unsafe tm()
    guard unsafe gmtime_r(&time, &parts) != nil else { return "at \(seconds)" }
    let numbers = unsafe [parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min]
    let texts = numbers.map { padded(Int($0), 2) }
    return unsafe "\(parts.tm_year + 1900)-\(texts[0])-\(texts[1]) \(texts[2]):\(texts[3]) UTC"
  }

  /// A time in seconds, with decimals only where there are some.
  static func seconds(_ duration: Duration) -> String {
    let thousandths = duration.inMicroseconds / 1000
    return fixed(Double(thousandths) / 1e3, thousandths.isMultiple(of: 1000) ? 0 : 3)
  }

  /// A number with this many decimals, without a locale.
  static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "-" }
    let scale = (0..<decimals).reduce(1) { product, _ in product * 10 }
    let scaled = Int((value * Double(scale)).rounded())
    let sign = scaled < 0 ? "-" : ""
    let whole = "\(sign)\(scaled.magnitude / UInt(scale))"
    guard decimals > 0 else { return whole }
    return whole + "." + padded(Int(scaled.magnitude % UInt(scale)), decimals)
  }

  /// A number with leading zeros.
  static func padded(_ value: Int, _ digits: Int) -> String {
    let text = "\(value)"
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
