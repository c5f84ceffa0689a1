import TestSupport
import Testing

@Suite struct SubprocessTests {
  @Test func capturesWhatAProcessWrites() async throws {
    let result = try await Subprocess.run(
      "/bin/sh", ["-c", "cat; echo $WORD; echo bad >&2; exit 3"], input: .bytes(Array("in ".utf8)),
      environment: ["WORD": "out"])
    #expect(result.exitCode == 3)
    #expect(result.signal == nil)
    #expect(result.outputText == "in out\n")
    #expect(result.errorText == "bad\n")
  }

  @Test func killsAProcessThatIsLate() async throws {
    let process = try Subprocess("/bin/sleep", ["60"])
    let failure = try await #require(throws: TestSupportError.self) {
      try await process.wait(within: .milliseconds(50))
    }
    #expect(failure.description.contains("/bin/sleep 60"))
    try await eventually("the end of sleep") { !process.isRunning }
    #expect(try await process.wait().signal == 9)
  }

  @Test func aChildThatStopsReadingDoesNoHarm() async throws {
    let result = try await Subprocess.run(
      "/bin/sh", ["-c", "head -c 1"], input: .bytes([UInt8](repeating: 65, count: 1 << 20)))
    #expect(result.outputText == "A")
  }

  @Test func signalsReachTheProcess() async throws {
    let process = try Subprocess(
      "/bin/sh", ["-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.01; done"])
    try await eventually("the trap") { process.outputSoFar == "ready\n" }
    process.send(2)
    #expect(try await process.wait().exitCode == 7)
  }

  @Test func aMissingProgramIsNamed() {
    let failure = #expect(throws: TestSupportError.self) { try Subprocess("/no/such/program") }
    #expect(failure?.description.hasPrefix("/no/such/program: No such file") == true)
  }

  @Test func deadlinesEndWhatIgnoresThem() async throws {
    // Who waits for a task does not return when he is cancelled himself.
    let endless = Task { try await Task.sleep(for: .seconds(600)) }
    defer { endless.cancel() }
    let failure = await #expect(throws: TestSupportError.self) {
      try await withDeadline(.milliseconds(20), "waiting for nothing") { try await endless.value }
    }
    #expect(failure?.description.hasPrefix("waiting for nothing took longer") == true)
    #expect(try await withDeadline { 5 } == 5)
  }

  @Test func findsWhatWasBuiltWithTheTests() throws {
    #expect(throws: TestSupportError.self) { try builtBinary(named: "no-such-product") }
  }
}
