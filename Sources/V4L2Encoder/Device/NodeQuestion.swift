extension BoundedCall {
  /// Asks a node something; one that hangs is left behind, by name.
  package static func ask<Answer: Sendable>(
    _ path: String, within limit: Duration,
    _ question: @escaping @Sendable () throws(EncoderError) -> Answer
  ) throws(EncoderError) -> Answer {
    let answer: Result<Answer, EncoderError>?
    do throws(Errno) {
      answer = try run(named: "v4l2-probe", within: limit) { Result(catching: question) }
    } catch {
      throw EncoderError(
        .outOfMemory, operation: "pthread_create", errno: error, "no thread to ask \(path)")
    }
    guard let answer else {
      throw EncoderError(
        .deviceStalled,
        "\(path) has not answered within \(limit); its driver, or the program that serves it, hangs"
      )
    }
    return try answer.get()
  }
}
