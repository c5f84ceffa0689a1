/// What can be done only between two stretches of streaming, while both queues are stopped.
extension Engine {
  /// Drains, and has the device thread do something before it starts the queues again.
  nonisolated(nonsending) func atRest<Answer>(
    _ work: (Deferred<Answer>) -> EngineCore.RestJob.Work
  ) async throws(EncoderError) -> Answer {
    let answer = Deferred<Answer>()
    let work = work(answer)
    let identity = core.withLock { core -> UInt64 in
      let identity = core.makeIdentity()
      core.restJobs.append(EngineCore.RestJob(identity: identity, work: work))
      return identity
    }
    do throws(EncoderError) {
      repeat { try await drainDevice() } while try !restartIsUnderWay(forJob: identity)
    } catch {
      // It must not be done at somebody else's restart, later.
      core.withLock { core in core.restJobs.removeAll { $0.identity == identity } }
      throw error
    }
    device.handle.wake()
    let result = await answer.value(within: configuration.deadlines.setup)
    if let error = core.withLock({ $0.machine.terminalError }) { throw error }
    guard let result else {
      core.withLock { core in core.restJobs.removeAll { $0.identity == identity } }
      throw EncoderError(
        .deviceStalled, "\(device.path) has not started again with other settings in time")
    }
    return result
  }

  /// Asks for a restart; false while frames of somebody else are about again.
  private func restartIsUnderWay(forJob identity: UInt64) throws(EncoderError) -> Bool {
    let (isUnderWay, error) = core.withLock { core -> (Bool, EncoderError?) in
      if let error = core.machine.terminalError { return (false, error) }
      // Somebody else's restart may have taken it along.
      guard core.restJobs.contains(where: { $0.identity == identity }) else { return (true, nil) }
      return (core.machine.requestRestart() || core.machine.state == .restarting, nil)
    }
    if let error { throw error }
    return isUnderWay
  }

  /// Ends the waiting for a restart that will not come.
  func giveUpRestJobs(_ error: EncoderError) {
    for job in takeRestJobs() {
      switch job.work {
      case .settings(_, let answer): answer.fulfill([])
      case .configuration(_, let answer): answer.fulfill(.failure(error))
      }
    }
  }

  func takeRestJobs() -> [EngineCore.RestJob] {
    core.withLock { core in
      defer { core.restJobs = [] }
      return core.restJobs
    }
  }
}

/// Answers to those who wait for a job, given when the queues stream again.
struct RestAnswers {
  private var settings: [(Deferred<[ControlOutcome]>, [ControlOutcome])] = []
  private var reports:
    [(Deferred<Result<NegotiationReport, EncoderError>>, Result<NegotiationReport, EncoderError>)] =
      []

  mutating func add(_ outcomes: [ControlOutcome], to answer: Deferred<[ControlOutcome]>) {
    settings.append((answer, outcomes))
  }

  mutating func add(
    _ result: Result<NegotiationReport, EncoderError>,
    to answer: Deferred<Result<NegotiationReport, EncoderError>>
  ) {
    reports.append((answer, result))
  }

  func deliver() {
    for (answer, outcomes) in settings { answer.fulfill(outcomes) }
    for (answer, result) in reports { answer.fulfill(result) }
  }
}

extension EngineLoop {
  /// Does what waited for the queues to be stopped, in the order in which it was asked for, and
  /// what the device needs to encode again.
  mutating func doRestJobs() -> RestAnswers {
    var answers = RestAnswers()
    var isSpent = device.family.encodesOnce
    for job in engine.takeRestJobs() {
      switch job.work {
      case .settings(let plan, let answer):
        if isSpent { renew() }
        let isOver = engine.core.withLock { $0.machine.terminalError != nil }
        answers.add(isOver ? [] : engine.apply(plan), to: answer)
      case .configuration(let configuration, let answer):
        answers.add(change(to: configuration), to: answer)
      }
      isSpent = false
    }
    if isSpent { renew() }
    return answers
  }
}
