import Foundation
import TestSupport
import Testing

/// No file is destroyed by being named twice, and closed descriptors are told from open ones.
@Suite struct FileSafetyTests {
  private let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func contents(_ name: String) -> [UInt8]? {
    FileManager.default.contents(atPath: directory.file(name)).map { [UInt8]($0) }
  }

  private func encode(
    _ arguments: [String], input: SubprocessInput = .nothing
  ) async throws -> SubprocessResult {
    try await v4l2enc(["encode"] + arguments + ["--device", "virtual"], input: input)
  }

  /// `{}` stands for the directory; `held` exists, `hard` and `soft` lead to it, `new` is not there
  /// and `dangling` leads to it.
  @Test(
    arguments: [
      (["{}/held", "-o", "{}/out.h264", "--stats", "{}/held"], "--stats is the input itself"),
      (
        ["{}/held", "-o", "{}/out.h264", "--save-pts", "{}/hard"], "--save-pts is the input itself"
      ),
      (["{}/soft", "-o", "{}/out.h264", "--stats", "{}/./held"], "--stats is the input itself"),
      (["{}/held", "-o", "{}/soft"], "soft is the input itself"),
      (["-", "-o", "{}/hard"], "hard is the input itself"),
      (["test:bars", "-o", "{}/held", "--stats", "{}/soft"], "--stats is the output itself"),
      (["test:bars", "-o", "{}/new", "--stats", "{}/new"], "--stats is the output itself"),
      (
        ["test:bars", "-o", "{}/new", "--save-pts", "{}/dangling"],
        "--save-pts is the output itself"
      ),
      (
        ["test:bars", "-o", "{}/out.h264", "--stats", "{}/hard", "--save-pts", "{}/soft"],
        "--stats is the file of --save-pts itself"
      ),
      (
        ["test:bars", "-o", "{}/out.h264", "--stats", "{}/new", "--save-pts", "{}/new"],
        "--stats is the file of --save-pts itself"
      ),
    ] as [([String], String)])
  func oneFileHasOneUse(arguments: [String], text: String) async throws {
    let held = rawFrames(2)
    let path = try directory.write(held, to: "held")
    #expect(link(path, directory.file("hard")) == 0)
    #expect(symlink("held", directory.file("soft")) == 0)
    #expect(symlink("new", directory.file("dangling")) == 0)
    let root = directory.file("")
    let filled = arguments.map {
      $0.replacing("{}/", with: root.hasSuffix("/") ? root : root + "/")
    }
    let result = try await encode(filled + ["--size", "64x64"], input: .file(path))
    #expect(result.exitCode == 64, "\(result.errorText)")
    #expect(result.errorText.contains(text), "\(result.errorText)")
    #expect(result.errorText.split(separator: "\n").count == 1)
    #expect(contents("held") == held)
    #expect(contents("out.h264") == nil)
    #expect(contents("new") == nil)
  }

  @Test func reportsAreKeptUntilTheDeviceIsOpen() async throws {
    let old = try directory.write([1, 2, 3], to: "old.jsonl")
    let result = try await v4l2enc([
      "encode", "test:bars", "-o", directory.file("o.h264"), "--device", "/dev/null",
      "--stats", old, "--save-pts", directory.file("new.txt"),
    ])
    #expect(result.exitCode == 69)
    #expect(contents("old.jsonl") == [1, 2, 3])
    #expect(contents("new.txt") == nil)
  }

  @Test func harmlessFilesMayBeNamedTwice() async throws {
    let result = try await encode([
      "test:bars", "--size", "64x64", "--frames", "2", "-o", "/dev/null", "--stats", "/dev/null",
      "--save-pts", "/dev/null",
    ])
    #expect(result.exitCode == 0, "\(result.errorText)")
  }

  @Test(
    arguments: [
      ("encode - --size 64x64 -o OUT --device virtual <&-", 66, "-: standard input is closed"),
      ("encode test:bars -o - --device virtual >&-", 73, "-o -: standard output is closed"),
      ("--help >&-", 73, "standard output is closed"),
      ("qualify --device virtual --journal OUT >&-", 73, "standard output is closed"),
    ] as [(String, Int32, String)])
  func closedStreamsAreNamed(command: String, code: Int32, text: String) async throws {
    let binary = try builtBinary(named: "v4l2enc")
    let line = command.replacing("OUT", with: directory.file("o.h264"))
    let result = try await Subprocess.run("sh", ["-c", "\(binary) \(line)"])
    #expect(result.exitCode == code, "\(result.errorText)")
    #expect(result.errorText.contains(text))
    #expect(contents("o.h264") == nil)
  }

  @Test func messagesStayOutOfTheStreamWhenStandardErrorIsClosed() async throws {
    let binary = try builtBinary(named: "v4l2enc")
    let arguments = "encode test:bars --size 64x64 --frames 3 --device virtual -v -o"
    let whole = try await Subprocess.run("sh", ["-c", "\(binary) \(arguments) -"])
    let file = directory.file("o.h264")
    let result = try await Subprocess.run(
      "sh", ["-c", "\(binary) \(arguments) \(file) <&- >&- 2>&-"])
    #expect(result.exitCode == 0)
    #expect(!whole.output.isEmpty)
    #expect(contents("o.h264") == whole.output)
  }
}
