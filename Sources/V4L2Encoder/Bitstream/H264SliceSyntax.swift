/// What the slice headers of ITU-T H.264, 7.3.3, depend on in the sequence parameter set.
struct H264SliceSyntax: Hashable, Sendable {
  /// Bits of `frame_num`.
  var frameNumberBits = 0
  /// `pic_order_cnt_type`.
  var orderKind = 0
  /// Bits of `pic_order_cnt_lsb`.
  var orderBits = 0
  /// Whether `delta_pic_order_cnt` may come.
  var hasOrderDeltas = false
  /// Whether pictures may be fields.
  var mayHaveFields = false
  /// Whether each slice belongs to one colour plane.
  var hasSeparatePlanes = false
  /// Whether there are chroma samples in a slice with luma samples.
  var hasChroma = true

  /// Whether the numbers are ones that the standard allows.
  var isPlausible: Bool { frameNumberBits <= 16 && orderBits <= 16 }
}
