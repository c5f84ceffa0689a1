/// One of the device's own input buffers, on loan to be rendered into.
///
/// Dropping it gives it back unused.
public struct InputBuffer: ~Copyable, Sendable {
}
