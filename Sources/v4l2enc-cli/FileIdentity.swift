internal import Glibc
internal import V4L2Encoder

/// Which file something is, however it is named: through links, relative, or by a descriptor.
struct FileIdentity: Hashable {
  private let device: dev_t
  private let number: ino_t

  /// Nil for what cannot be destroyed by writing to it, such as /dev/null or a terminal.
  init?(_ information: stat) {
    let kind = information.st_mode & S_IFMT
    guard kind == S_IFREG || kind == S_IFIFO else { return nil }
    device = information.st_dev
    number = information.st_ino
  }

  /// What `encode` names as its input, if that is a file.
  init?(input: String) {
    var information = stat()
    let result =
      input == "-" ? unsafe fstat(STDIN_FILENO, &information) : unsafe stat(input, &information)
    guard result == 0 else { return nil }
    self.init(information)
  }

  /// What a command that is yet to open it names as its output, if that is a file by now.
  init?(output: String) {
    var information = stat()
    let result =
      output == "-"
      ? unsafe fstat(StandardStreams.output, &information)
      : unsafe stat(output, &information)
    guard result == 0 else { return nil }
    self.init(information)
  }

  /// Refuses to let two uses of one file destroy each other.
  ///
  /// The files must be open by then: one that was just created is compared like any other.
  static func refuseClashes(
    _ uses: [(option: String, role: String, file: FileIdentity?)]
  ) throws(CommandError) {
    for (index, use) in uses.enumerated() {
      guard let file = use.file,
        let earlier = uses[..<index].first(where: { $0.file == file })
      else { continue }
      throw CommandError(
        .usage, "\(use.option) is \(earlier.role) itself; write to another file")
    }
  }
}

extension OpenFile {
  /// Which file this is; nil for what cannot be destroyed by writing to it.
  var identity: FileIdentity? { FileIdentity(information) }
}
