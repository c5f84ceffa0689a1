internal import Foundation
internal import V4L2Encoder

/// Held from making a descriptor to marking it, and while a child is started.
///
/// A child started in between would keep the write end of somebody else's pipe open for ever.
let descriptorLock = Locked(())

/// Keeps children from inheriting a descriptor.
func closeOnExec(_ descriptor: Int32) { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }

/// Starts a program with these descriptors as its standard ones.
func spawn(
  _ arguments: [String], descriptors: [Int32], environment: [String: String]
) throws(TestSupportError) -> Int32 {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  for (target, descriptor) in descriptors.enumerated() {
    posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
  }
  // Foundation's Process makes pipes without close-on-exec; a child that kept one would keep its
  // reader waiting for ever. Closing what is not open is no error here.
  for descriptor in Int32(descriptors.count)..<512 {
    posix_spawn_file_actions_addclose(&actions, descriptor)
  }

  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  // Signals this process ignores or blocks must work in the child.
  var signals = sigset_t()
  sigemptyset(&signals)
  posix_spawnattr_setsigmask(&attributes, &signals)
  sigaddset(&signals, SIGPIPE)
  sigaddset(&signals, SIGINT)
  sigaddset(&signals, SIGTERM)
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))

  let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  var identifier: pid_t = 0
  let failure = withCStrings(arguments) { argumentPointers in
    withCStrings(variables.map { "\($0)=\($1)" }) { variablePointers in
      descriptorLock.withLock { _ in
        posix_spawnp(
          &identifier, arguments.first ?? "", &actions, &attributes, argumentPointers,
          variablePointers)
      }
    }
  }
  guard failure == 0 else {
    throw TestSupportError("\(arguments.first ?? ""): \(String(cString: strerror(failure)))")
  }
  return identifier
}

private func withCStrings<Result>(
  _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let pointers = strings.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  return body(pointers)
}
