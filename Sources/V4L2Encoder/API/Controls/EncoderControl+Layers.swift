extension EncoderControl {
  /// Whether H.264 has temporal layers.
  public static let h264HierarchicalCoding = EncoderControl(
    .h264HierarchicalCoding, "H264_HIERARCHICAL_CODING", .boolean)
  /// Which pictures make the layers of H.264.
  public static let h264HierarchicalCodingType = EncoderControl(
    .h264HierarchicalCodingType, "H264_HIERARCHICAL_CODING_TYPE", .menu(["b", "p"]))
  /// Temporal layers of H.264.
  public static let h264HierarchicalCodingLayer = EncoderControl(
    .h264HierarchicalCodingLayer, "H264_HIERARCHICAL_CODING_LAYER", .integer)
  /// The quantizer of one H.264 layer: the layer in the upper 16 bits.
  public static let h264HierarchicalCodingLayerQP = EncoderControl(
    .h264HierarchicalCodingLayerQP, "H264_HIERARCHICAL_CODING_LAYER_QP", .integer)
  /// The bitrate of H.264 layer 0, in bit/s.
  public static let h264HierCodingL0BR = EncoderControl(
    .h264HierCodingL0BR, "H264_HIER_CODING_L0_BR", .integer)
  /// The bitrate of H.264 layer 1, in bit/s.
  public static let h264HierCodingL1BR = EncoderControl(
    .h264HierCodingL1BR, "H264_HIER_CODING_L1_BR", .integer)
  /// The bitrate of H.264 layer 2, in bit/s.
  public static let h264HierCodingL2BR = EncoderControl(
    .h264HierCodingL2BR, "H264_HIER_CODING_L2_BR", .integer)
  /// The bitrate of H.264 layer 3, in bit/s.
  public static let h264HierCodingL3BR = EncoderControl(
    .h264HierCodingL3BR, "H264_HIER_CODING_L3_BR", .integer)
  /// The bitrate of H.264 layer 4, in bit/s.
  public static let h264HierCodingL4BR = EncoderControl(
    .h264HierCodingL4BR, "H264_HIER_CODING_L4_BR", .integer)
  /// The bitrate of H.264 layer 5, in bit/s.
  public static let h264HierCodingL5BR = EncoderControl(
    .h264HierCodingL5BR, "H264_HIER_CODING_L5_BR", .integer)
  /// The bitrate of H.264 layer 6, in bit/s.
  public static let h264HierCodingL6BR = EncoderControl(
    .h264HierCodingL6BR, "H264_HIER_CODING_L6_BR", .integer)
  /// Whether HEVC layers have quantizers of their own.
  public static let hevcHierQP = EncoderControl(
    .hevcHierQP, "HEVC_HIER_QP", .boolean)
  /// Which pictures make the layers of HEVC.
  public static let hevcHierCodingType = EncoderControl(
    .hevcHierCodingType, "HEVC_HIER_CODING_TYPE", .menu(["b", "p"]))
  /// Temporal layers of HEVC.
  public static let hevcHierCodingLayer = EncoderControl(
    .hevcHierCodingLayer, "HEVC_HIER_CODING_LAYER", .integer)
  /// The quantizer of HEVC layer 0.
  public static let hevcHierCodingL0QP = EncoderControl(
    .hevcHierCodingL0QP, "HEVC_HIER_CODING_L0_QP", .integer)
  /// The quantizer of HEVC layer 1.
  public static let hevcHierCodingL1QP = EncoderControl(
    .hevcHierCodingL1QP, "HEVC_HIER_CODING_L1_QP", .integer)
  /// The quantizer of HEVC layer 2.
  public static let hevcHierCodingL2QP = EncoderControl(
    .hevcHierCodingL2QP, "HEVC_HIER_CODING_L2_QP", .integer)
  /// The quantizer of HEVC layer 3.
  public static let hevcHierCodingL3QP = EncoderControl(
    .hevcHierCodingL3QP, "HEVC_HIER_CODING_L3_QP", .integer)
  /// The quantizer of HEVC layer 4.
  public static let hevcHierCodingL4QP = EncoderControl(
    .hevcHierCodingL4QP, "HEVC_HIER_CODING_L4_QP", .integer)
  /// The quantizer of HEVC layer 5.
  public static let hevcHierCodingL5QP = EncoderControl(
    .hevcHierCodingL5QP, "HEVC_HIER_CODING_L5_QP", .integer)
  /// The quantizer of HEVC layer 6.
  public static let hevcHierCodingL6QP = EncoderControl(
    .hevcHierCodingL6QP, "HEVC_HIER_CODING_L6_QP", .integer)
  /// The bitrate of HEVC layer 0, in bit/s.
  public static let hevcHierCodingL0BR = EncoderControl(
    .hevcHierCodingL0BR, "HEVC_HIER_CODING_L0_BR", .integer)
  /// The bitrate of HEVC layer 1, in bit/s.
  public static let hevcHierCodingL1BR = EncoderControl(
    .hevcHierCodingL1BR, "HEVC_HIER_CODING_L1_BR", .integer)
  /// The bitrate of HEVC layer 2, in bit/s.
  public static let hevcHierCodingL2BR = EncoderControl(
    .hevcHierCodingL2BR, "HEVC_HIER_CODING_L2_BR", .integer)
  /// The bitrate of HEVC layer 3, in bit/s.
  public static let hevcHierCodingL3BR = EncoderControl(
    .hevcHierCodingL3BR, "HEVC_HIER_CODING_L3_BR", .integer)
  /// The bitrate of HEVC layer 4, in bit/s.
  public static let hevcHierCodingL4BR = EncoderControl(
    .hevcHierCodingL4BR, "HEVC_HIER_CODING_L4_BR", .integer)
  /// The bitrate of HEVC layer 5, in bit/s.
  public static let hevcHierCodingL5BR = EncoderControl(
    .hevcHierCodingL5BR, "HEVC_HIER_CODING_L5_BR", .integer)
  /// The bitrate of HEVC layer 6, in bit/s.
  public static let hevcHierCodingL6BR = EncoderControl(
    .hevcHierCodingL6BR, "HEVC_HIER_CODING_L6_BR", .integer)

  /// Every control of this file: temporal layers.
  static let layersControls: [EncoderControl] = [
    .h264HierarchicalCoding, .h264HierarchicalCodingType, .h264HierarchicalCodingLayer,
    .h264HierarchicalCodingLayerQP, .h264HierCodingL0BR, .h264HierCodingL1BR, .h264HierCodingL2BR,
    .h264HierCodingL3BR, .h264HierCodingL4BR, .h264HierCodingL5BR, .h264HierCodingL6BR, .hevcHierQP,
    .hevcHierCodingType, .hevcHierCodingLayer, .hevcHierCodingL0QP, .hevcHierCodingL1QP,
    .hevcHierCodingL2QP, .hevcHierCodingL3QP, .hevcHierCodingL4QP, .hevcHierCodingL5QP,
    .hevcHierCodingL6QP, .hevcHierCodingL0BR, .hevcHierCodingL1BR, .hevcHierCodingL2BR,
    .hevcHierCodingL3BR, .hevcHierCodingL4BR, .hevcHierCodingL5BR, .hevcHierCodingL6BR,
  ]
}
