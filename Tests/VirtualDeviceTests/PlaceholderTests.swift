import TestSupport
import Testing

@Suite struct FixtureTests {
  @Test func directoryIsThere() { #expect(Fixtures.directory.hasSuffix("/Fixtures/")) }
}
