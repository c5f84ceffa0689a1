/// Finds what somebody probably meant.
enum Suggestion {
  /// The candidate nearest to what was typed, if it is near enough to be meant.
  static func nearest(to typed: String, in candidates: [String]) -> String? {
    let wanted = Array(typed.lowercased())
    let ranked = candidates.map { candidate in
      (name: candidate, distance: distance(wanted, Array(candidate.lowercased())))
    }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    // A third of the letters may be wrong; beyond that every word resembles every other.
    return best.distance <= max(1, wanted.count / 3) ? best.name : nil
  }

  /// A question in brackets that names the nearest candidate, or nothing.
  static func sentence(for typed: String, in candidates: [String]) -> String {
    nearest(to: typed, in: candidates).map { " (did you mean \($0)?)" } ?? ""
  }

  /// How many letters must be inserted, removed, replaced or swapped with their neighbour.
  static func distance(_ left: [Character], _ right: [Character]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for (row, letter) in left.enumerated() {
      var current = [row + 1]
      for (column, other) in right.enumerated() {
        var best = min(previous[column] + (letter == other ? 0 : 1), previous[column + 1] + 1)
        best = min(best, current[column] + 1)
        let isSwap =
          row > 0 && column > 0 && letter == right[column - 1] && left[row - 1] == other
        if isSwap { best = min(best, beforePrevious[column - 1] + 1) }
        current.append(best)
      }
      (beforePrevious, previous) = (previous, current)
    }
    return previous[right.count]
  }
}
