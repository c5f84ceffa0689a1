/// A real clip that tests encode.
public struct Fixture: Hashable, Sendable {
  /// The file's name in Fixtures/.
  public let name: String
  /// Columns and rows.
  public let width, height: Int
  /// How many frames it has.
  public let frameCount: Int

  /// 1280x720, 25 frames per second, animation.
  public static let bigBuckBunny = Fixture(
    name: "bigbuckbunny.mp4", width: 1280, height: 720, frameCount: 132)
  /// 176x144, 29.97 frames per second, camera.
  public static let carphone = Fixture(
    name: "carphone_pristine.mp4", width: 176, height: 144, frameCount: 120)

  /// The path of the clip.
  public var path: String { Fixtures.directory + name }
}

/// The real clips that tests encode.
public enum Fixtures {
  /// The directory of this package, with a trailing slash.
  public static var packageDirectory: String {
    let here = #filePath  // …/Tests/TestSupport/Fixtures.swift
    return here.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/"
  }

  /// The directory Fixtures/ of this package, with a trailing slash.
  public static var directory: String { packageDirectory + "Fixtures/" }
}
