internal import V4L2Encoder

/// A chart as inline SVG whose colours are those of the page.
struct ReportChart {
  /// One direction: from zero to a largest value, with marks at round numbers.
  struct Axis {
    let limit: Double
    let step: Double
    let label: (Double) -> String

    /// Marks at 1, 2 or 5 times a power of ten, no closer than `finest`, which is one as well.
    init(upTo value: Double, finest: Double = 1e-9, label: @escaping (Double) -> String) {
      let largest = value.isFinite && value > 0 ? value : 1
      var step = finest
      while largest / step > 6 {
        step *= largest / (step * 2) <= 6 ? 2 : largest / (step * 5) <= 6 ? 5 : 10
      }
      self.step = step
      self.label = label
      limit = (largest / step).rounded(.up) * step
    }

    /// Seconds, with marks where a clock has them; the axis ends with the time itself.
    init(seconds: Double) {
      let steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]
      limit = seconds.isFinite && seconds > 0 ? seconds : 1
      let limit = limit
      let step = steps.first { limit / $0 <= 10 } ?? (limit / 36_000).rounded(.up) * 3600
      self.step = step
      label = { time in
        limit < 120 ? Units.fixed(time, step < 1 ? 1 : 0) + " s" : Units.clock(Int(time))
      }
    }

    var marks: [Double] {
      (0...max(0, Int((limit / step + 1e-6).rounded(.down)))).map { Double($0) * step }
    }
  }

  let width: Double
  let height: Double
  private let horizontal: Axis
  private let vertical: Axis
  private let name: String
  private var body = ""

  private static let left = 86.0
  private static let right = 34.0
  private static let top = 12.0
  private static let bottom = 26.0

  /// An empty chart; `name` is what is read out instead of it.
  init(
    _ name: String, _ horizontal: Axis, _ vertical: Axis, width: Double = 960,
    height: Double = 230
  ) {
    self.name = name
    self.horizontal = horizontal
    self.vertical = vertical
    self.width = width
    self.height = height
  }

  private func x(_ value: Double) -> Double {
    let share = min(max(value / horizontal.limit, 0), 1)
    return Self.left + share * (width - Self.left - Self.right)
  }

  private func y(_ value: Double) -> Double {
    let share = min(max(value / vertical.limit, 0), 1)
    return height - Self.bottom - share * (height - Self.top - Self.bottom)
  }

  /// A bar from one place to another, with a text that shows when the pointer is on it.
  mutating func bar(
    from start: Double, to end: Double, _ value: Double, _ style: String, _ text: String
  ) {
    let (begin, top) = (x(start), y(value))
    // A hair of space between bars, as long as they are wide enough to have some.
    let room = x(end) - begin
    let breadth = max(0.4, room > 3 ? room - 0.8 : room)
    body +=
      "<rect class=\"\(style)\" x=\"\(Self.place(begin))\" y=\"\(Self.place(top))\" "
      + "width=\"\(Self.place(breadth))\" height=\"\(Self.place(height - Self.bottom - top))\">"
      + "<title>\(HTML.escaped(text))</title></rect>\n"
  }

  /// A line through points; a point without a value interrupts it.
  mutating func line(_ points: [(x: Double, y: Double?)], _ style: String) {
    var path = ""
    var isDrawing = false
    for point in points {
      guard let value = point.y else {
        isDrawing = false
        continue
      }
      path += "\(isDrawing ? "L" : "M")\(Self.place(x(point.x))) \(Self.place(y(value)))"
      isDrawing = true
    }
    if !path.isEmpty { body += "<path class=\"\(style)\" d=\"\(path)\"/>\n" }
  }

  /// A line that holds each value until the next begins.
  mutating func steps(_ steps: [StatisticsSeries.Step], until end: Double, _ style: String) {
    var points: [(x: Double, y: Double?)] = []
    for (index, step) in steps.enumerated() {
      points.append((step.start, step.value))
      points.append((index + 1 < steps.count ? steps[index + 1].start : end, step.value))
    }
    line(points, style)
  }

  /// An upright line with a name on it.
  mutating func marker(at value: Double, _ text: String, row: Int) {
    let place = Self.place(x(value))
    let isLate = value > horizontal.limit * 0.85
    let textPlace = Self.place(x(value) + (isLate ? -4 : 4))
    body +=
      "<path class=\"marker\" d=\"M\(place) \(Self.place(Self.top))"
      + "V\(Self.place(height - Self.bottom))\"/>"
      + "<text class=\"note\(isLate ? " late" : "")\" x=\"\(textPlace)\" "
      + "y=\"\(Self.place(Self.top + 10 + Double(row) * 14))\">\(HTML.escaped(text))</text>\n"
  }

  /// The whole chart.
  var svg: String {
    var grid = ""
    for mark in vertical.marks {
      let place = Self.place(y(mark))
      grid +=
        "<path class=\"grid\" d=\"M\(Self.place(Self.left)) \(place)"
        + "H\(Self.place(width - Self.right))\"/>"
        + "<text class=\"tick up\" x=\"\(Self.place(Self.left - 6))\" y=\"\(place)\" dy=\".32em\">"
        + "\(HTML.escaped(vertical.label(mark)))</text>\n"
    }
    for mark in horizontal.marks {
      grid +=
        "<text class=\"tick\" x=\"\(Self.place(x(mark)))\" y=\"\(Self.place(height - 8))\">"
        + "\(HTML.escaped(horizontal.label(mark)))</text>\n"
    }
    return
      "<svg viewBox=\"0 0 \(Self.place(width)) \(Self.place(height))\" role=\"img\" "
      + "aria-label=\"\(HTML.escaped(name))\">\n\(grid)\(body)</svg>\n"
  }

  private static func place(_ value: Double) -> String { Units.fixed(value, 1) }
}

/// Text as it stands in a page.
enum HTML {
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
