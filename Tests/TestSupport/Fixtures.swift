/// The real clips that tests encode.
public enum Fixtures {
  /// The directory Fixtures/ of this package, with a trailing slash.
  public static var directory: String {
    let here = #filePath  // …/Tests/TestSupport/Fixtures.swift
    return here.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/Fixtures/"
  }
}
