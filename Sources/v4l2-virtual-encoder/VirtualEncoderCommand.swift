internal import CFuse3
internal import Glibc
internal import V4L2Encoder
internal import VirtualV4L2Device

/// The command `v4l2-virtual-encoder`.
@main
struct VirtualEncoderCommand {
  static let version = "0.1.0"

  static func main() {
    do throws(ServerFailure) {
      let options = try CommandOptions(CommandLine.arguments.dropFirst())
      if options.showsHelp {
        print(CommandOptions.help, terminator: "")
      } else if options.listsPersonalities {
        print(CommandOptions.personalities, terminator: "")
      } else if options.showsVersion {
        print("v4l2-virtual-encoder \(version)")
      } else if options.staysInForeground || options.reportsToLauncher {
        try serve(options)
      } else {
        launch(options.path)
      }
    } catch {
      report(error.message)
      exit(error.exitCode)
    }
  }

  private static func launch(_ path: String) {
    do throws(LaunchFailure) {
      let process = try Launcher.start(CommandLine.arguments)
      print("\(path): virtual encoder ready (pid \(process))")
    } catch {
      switch error {
      case .silent(let code): exit(code)
      case .died(let signal):
        report("the server was ended by signal \(signal) before it was ready")
        exit(EX_SOFTWARE)
      case .unanswered:
        report("the server did not become ready in time; see what hangs with --foreground")
        exit(EX_TEMPFAIL)
      }
    }
  }

  private static func serve(_ options: CommandOptions) throws(ServerFailure) {
    // Before any thread starts, so that none of them takes the signals from `sigwait` below.
    var ending = sigset_t()
    sigemptyset(&ending)
    for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&ending, signal) }
    pthread_sigmask(SIG_BLOCK, &ending, nil)
    signal(SIGPIPE, SIG_IGN)

    let connection = try KernelConnection(path: options.path)
    let device = try makeDevice(options)
    let mountPoint = try MountPoint(preparing: options.path)
    do throws(ServerFailure) {
      try mountPoint.mount(connection.descriptor)
    } catch {
      mountPoint.removeFile()
      throw error
    }
    let server = DeviceFileServer(device: device, connection: connection)
    do throws(ServerFailure) {
      try server.start()
    } catch {
      mountPoint.remove()
      throw error
    }

    if options.reportsToLauncher {
      Launcher.reportReady()
    } else {
      print("\(options.path): virtual encoder ready (pid \(getpid()))")
      fflush(nil)
    }
    var received: Int32 = 0
    sigwait(&ending, &received)
    mountPoint.remove()
    // Ends the connection; whoever still uses the device is told that it is gone.
    exit(0)
  }

  private static func makeDevice(_ options: CommandOptions) throws(ServerFailure) -> VirtualDevice {
    do {
      return try VirtualDevice(options.device)
    } catch {
      throw .system("cannot make the device: \(error)")
    }
  }
}
