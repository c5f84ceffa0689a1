@main
struct VirtualEncoderCommand {
  static func main() {}
}
