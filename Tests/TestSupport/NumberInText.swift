/// The number that stands before a word, as in `5 frames`.
public func number(before word: String, in text: String) -> Int? {
  guard let range = text.firstRange(of: word) else { return nil }
  let digits = text[..<range.lowerBound].reversed().prefix { $0.isNumber }
  return Int(String(digits.reversed()))
}
