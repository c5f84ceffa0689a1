/// What is to be done when something happens, until whoever asked for it forgets it again.
struct Listeners {
  typealias Action = @Sendable () -> Void

  private var actions: [Int: Action] = [:]
  private var lastNumber = 0

  /// What there is to do, the eldest first.
  var all: [Action] { actions.sorted { $0.key < $1.key }.map(\.value) }

  /// Adds an action; the number is what `remove` takes it out by.
  mutating func add(_ action: @escaping Action) -> Int {
    lastNumber += 1
    actions[lastNumber] = action
    return lastNumber
  }

  /// Takes an action out, to be dropped outside the lock; nil when it is not there any more.
  mutating func remove(_ number: Int) -> Action? { actions.removeValue(forKey: number) }

  /// Takes everything out.
  mutating func removeAll() -> [Action] {
    defer { actions = [:] }
    return all
  }
}
