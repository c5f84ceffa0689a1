/// The size of a picture in pixels.
public struct VideoSize: Hashable, Sendable {
  /// Pixels per row.
  public var width: Int
  /// Rows.
  public var height: Int

  /// Creates a size in pixels.
  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}

extension VideoSize: CustomStringConvertible {
  /// The form `1280x720`.
  public var description: String { "\(width)x\(height)" }
}

/// A frame rate or a time base as a fraction.
public struct Rational: Hashable, Sendable {
  /// The part above the line.
  public var numerator: Int
  /// The part below the line, never zero in a valid value.
  public var denominator: Int

  /// Creates a fraction.
  public init(_ numerator: Int, _ denominator: Int = 1) {
    self.numerator = numerator
    self.denominator = denominator
  }

  /// The fraction as a floating point number.
  public var value: Double { Double(numerator) / Double(denominator) }
}

extension Rational: CustomStringConvertible {
  /// The form `30000/1001`, or `25` when the denominator is one.
  public var description: String {
    denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)"
  }
}
