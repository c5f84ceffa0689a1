@main
struct V4L2EncCommand {
  static func main() {}
}
