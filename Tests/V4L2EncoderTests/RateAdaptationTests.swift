import Testing
import V4L2Encoder

/// Which changes of the bitrate come of which targets.
@Suite struct RateAdaptationTests {
  /// A step and when it was taken.
  private struct Taken: Equatable {
    var milliseconds: Int
    var bitrate: Int
    var wantsKeyFrame = false
  }

  /// Feeds a target every 100 ms.
  private func feed(
    _ adaptation: inout RateAdaptation, _ milliseconds: Range<Int>, target: (Int) -> Int
  ) -> [Taken] {
    stride(from: milliseconds.lowerBound, to: milliseconds.upperBound, by: 100).compactMap { time in
      adaptation.step(target: target(time), at: .milliseconds(time)).map {
        Taken(milliseconds: time, bitrate: $0.bitrate, wantsKeyFrame: $0.wantsKeyFrame)
      }
    }
  }

  @Test func swingsAroundTheBitrateSettleAtTheirLowerEnd() {
    var adaptation = RateAdaptation(from: 1_150_000, within: 100_000...8_000_000)
    let steps = feed(&adaptation, 0..<60_000) { $0 / 100 % 2 == 0 ? 1_000_000 : 1_300_000 }
    #expect(steps == [Taken(milliseconds: 0, bitrate: 1_000_000)])
  }

  @Test func smallDifferencesChangeNothing() {
    var adaptation = RateAdaptation(from: 1_000_000, within: 100_000...8_000_000)
    let steps = feed(&adaptation, 0..<60_000) { $0 / 1000 % 2 == 0 ? 960_000 : 1_090_000 }
    #expect(steps.isEmpty && adaptation.bitrate == 1_000_000)
  }

  @Test func aSuddenCutComesAtOnceInFullAndWithAKeyFrame() {
    var adaptation = RateAdaptation(from: 4_000_000, within: 100_000...8_000_000)
    var steps = feed(&adaptation, 0..<2000) { _ in 4_000_000 }
    #expect(steps.isEmpty)
    steps = feed(&adaptation, 2000..<2900) { _ in 800_000 }
    #expect(steps == [Taken(milliseconds: 2000, bitrate: 800_000, wantsKeyFrame: true)])
    // Another one so soon would only add to the jam.
    steps = feed(&adaptation, 2900..<3500) { _ in 200_000 }
    #expect(steps == [Taken(milliseconds: 2900, bitrate: 200_000)])
  }

  @Test func aLargeCutInSeveralStepsIsStillALargeCut() {
    var adaptation = RateAdaptation(from: 4_000_000, within: 100_000...8_000_000)
    let steps = feed(&adaptation, 0..<1000) { 4_000_000 - $0 * 4000 }
    #expect(steps.map(\.bitrate).last == 400_000)
    #expect(steps.map(\.bitrate).first == 3_600_000)
    #expect(
      steps.filter(\.wantsKeyFrame).map(\.bitrate) == [
        steps.first { $0.bitrate <= 2_000_000 }?.bitrate
      ])
    // Small cuts keep their distance.
    #expect(steps.prefix(2).map(\.milliseconds) == [100, 400])
  }

  @Test func aRiseComesLateAndInSteps() {
    var adaptation = RateAdaptation(from: 1_000_000, within: 100_000...8_000_000)
    let steps = feed(&adaptation, 0..<20_000) { _ in 4_000_000 }
    #expect(steps.map(\.milliseconds) == (1...10).map { $0 * 1000 })
    #expect(steps.first?.bitrate == 1_150_000)
    #expect(steps.last?.bitrate == 4_000_000)
    for (low, high) in zip(steps, steps.dropFirst()) {
      #expect(Double(high.bitrate) <= Double(low.bitrate) * 1.15 + 1)
    }
    #expect(steps.allSatisfy { !$0.wantsKeyFrame })
  }

  @Test func aDipPutsARiseOff() {
    var adaptation = RateAdaptation(from: 1_000_000, within: 100_000...8_000_000)
    let steps = feed(&adaptation, 0..<2500) { $0 == 900 ? 1_000_000 : 2_000_000 }
    #expect(steps == [Taken(milliseconds: 2000, bitrate: 1_150_000)])
  }

  @Test func aRiseGoesNoHigherThanTheLowestTargetOnTheWay() {
    var adaptation = RateAdaptation(from: 1_000_000, within: 100_000...8_000_000)
    let steps = feed(&adaptation, 0..<1100) { $0 == 500 ? 1_110_000 : 4_000_000 }
    #expect(steps == [Taken(milliseconds: 1000, bitrate: 1_110_000)])
  }

  @Test func boundsHoldAndAreReached() {
    var adaptation = RateAdaptation(from: 1_000_000, within: 500_000...1_050_000)
    #expect(feed(&adaptation, 0..<5000) { _ in .max }.map(\.bitrate) == [1_050_000])
    #expect(feed(&adaptation, 5000..<6000) { _ in -1 }.map(\.bitrate) == [500_000])
  }

  @Test func aClockThatGoesBackDoesNoHarm() {
    var adaptation = RateAdaptation(from: 1_000_000, within: 100_000...8_000_000)
    #expect(adaptation.step(target: 900_000, at: .seconds(100)) != nil)
    #expect(adaptation.step(target: 800_000, at: .seconds(1)) == nil)
    #expect(adaptation.step(target: 800_000, at: .milliseconds(100_300)) != nil)
  }

  @Test func theDriversOwnBoundIsNotAskedForAgain() {
    var adaptation = RateAdaptation(from: 1_900_000, within: 100_000...8_000_000)
    #expect(feed(&adaptation, 0..<1100) { _ in 8_000_000 }.map(\.bitrate) == [2_185_000])
    adaptation.driverSet(2_000_000, insteadOf: 2_185_000)
    #expect(feed(&adaptation, 1100..<9000) { _ in 8_000_000 }.isEmpty)
    // Rounding is no bound.
    adaptation.driverSet(1_500_000, insteadOf: 1_500_400)
    #expect(adaptation.bounds.upperBound == 2_000_000)
    adaptation.driverKeeps(1_500_000)
    #expect(feed(&adaptation, 9000..<19_000) { _ in 100_000 }.isEmpty)
  }

  /// Feeds one target every 100 ms; a driver rounds what is asked, to 25,000 at least.
  private func feedRounded(
    _ adaptation: inout RateAdaptation, _ milliseconds: Range<Int>, target: Int
  ) -> [Taken] {
    stride(from: milliseconds.lowerBound, to: milliseconds.upperBound, by: 100).compactMap { time in
      guard let step = adaptation.step(target: target, at: .milliseconds(time)) else { return nil }
      adaptation.driverSet(
        max(25_000, (step.bitrate + 12_500) / 25_000 * 25_000), insteadOf: step.bitrate)
      return Taken(
        milliseconds: time, bitrate: step.bitrate, wantsKeyFrame: step.wantsKeyFrame)
    }
  }

  @Test func roundingIsNoBound() {
    let bounds = 50_000...8_000_000
    var adaptation = RateAdaptation(from: 2_000_000, within: bounds)
    #expect(feedRounded(&adaptation, 0..<5000, target: 212_000).map(\.bitrate) == [212_000])
    #expect(adaptation.bitrate == 200_000 && adaptation.bounds == bounds)
    // What was rounded up is not asked for again, but less is.
    #expect(feedRounded(&adaptation, 5000..<9000, target: 188_000).map(\.bitrate) == [188_000])
    #expect(feedRounded(&adaptation, 9000..<10_000, target: 138_000).map(\.bitrate) == [138_000])
    #expect(adaptation.bitrate == 150_000 && adaptation.bounds == bounds)
    _ = feedRounded(&adaptation, 10_000..<40_000, target: 2_000_000)
    #expect(adaptation.bitrate > 1_800_000 && adaptation.bounds == bounds)
  }

  @Test func aRiseThatIsRoundedAwayGoesFurtherTheNextTime() {
    var adaptation = RateAdaptation(from: 50_000, within: 10_000...8_000_000)
    let steps = feedRounded(&adaptation, 0..<2100, target: 1_000_000)
    #expect(steps.map(\.bitrate) == [57_500, 65_000])
    #expect(adaptation.bitrate == 75_000 && adaptation.bounds == 10_000...8_000_000)
    // The lower bound is the driver's own.
    #expect(feedRounded(&adaptation, 2100..<9000, target: 10_000).map(\.bitrate) == [10_000])
    #expect(adaptation.bounds == 25_000...8_000_000)
  }

  @Test func aBoundThatTheEncoderStandsAtIsFoundInAFewSteps() {
    var adaptation = RateAdaptation(from: 2_000_000, within: 100_000...8_000_000)
    var asked: [Int] = []
    for time in 0..<100 {
      guard let step = adaptation.step(target: 8_000_000, at: .seconds(time)) else { continue }
      asked.append(step.bitrate)
      adaptation.driverSet(2_000_000, insteadOf: step.bitrate)
    }
    #expect(asked == [2_300_000, 2_600_000, 3_200_000, 4_400_000])
    #expect(adaptation.bounds == 100_000...2_000_000)
  }
}
