/// A control as the kernel's own headers and control framework name it.
///
/// Numbers from `linux/v4l2-controls.h`, names and menus from `v4l2_ctrl_get_name` and
/// `v4l2_ctrl_get_menu` (drivers/media/v4l2-core/v4l2-ctrls-defs.c). Names of controls that a
/// driver registers by itself (MFC51) are this file's.
package struct StandardControl: Hashable, Sendable {
  package let identifier: UInt32
  package let name: String
  /// What the items of a menu are called; empty for what is no menu.
  package let items: [String]

  private static func standard(
    _ identifier: UInt32, _ name: String, _ items: [String] = []
  ) -> StandardControl {
    StandardControl(identifier: identifier, name: name, items: items)
  }
}

extension StandardControl {
  package static let hflip = standard(0x0098_0914, "Horizontal Flip")
  package static let vflip = standard(0x0098_0915, "Vertical Flip")
  package static let rotate = standard(0x0098_0922, "Rotate")
  package static let minBuffersForCapture = standard(0x0098_0927, "Min Number of Capture Buffers")
  package static let minBuffersForOutput = standard(0x0098_0928, "Min Number of Output Buffers")
  package static let bFrames = standard(0x0099_09ca, "Video B Frames")
  package static let gopSize = standard(0x0099_09cb, "Video GOP Size")
  package static let gopClosure = standard(0x0099_09cc, "Video GOP Closure")
  package static let bitrateMode = standard(0x0099_09ce, "Video Bitrate Mode", bitrateModes)
  package static let bitrate = standard(0x0099_09cf, "Video Bitrate")
  package static let bitratePeak = standard(0x0099_09d0, "Video Peak Bitrate")
  package static let cyclicIntraRefreshMb = standard(0x0099_09d6, "Number of Intra Refresh MBs")
  package static let frameRcEnable = standard(0x0099_09d7, "Frame Level Rate Control Enable")
  package static let headerMode = standard(0x0099_09d8, "Sequence Header Mode", headerModes)
  package static let mbRcEnable = standard(0x0099_09da, "H264 MB Level Rate Control")
  package static let multiSliceMaxBytes = standard(0x0099_09db, "Maximum Bytes in a Slice")
  package static let multiSliceMaxMb = standard(0x0099_09dc, "Number of MBs in a Slice")
  package static let multiSliceMode = standard(0x0099_09dd, "Slice Partitioning Method", sliceModes)
  package static let vbvSize = standard(0x0099_09de, "VBV Buffer Size")
  package static let vbvDelay = standard(0x0099_09e1, "Initial Delay for VBV Control")
  package static let repeatSeqHeader = standard(0x0099_09e2, "Repeat Sequence Header")
  package static let mvHSearchRange = standard(0x0099_09e3, "Horizontal MV Search Range")
  package static let mvVSearchRange = standard(0x0099_09e4, "Vertical MV Search Range")
  package static let forceKeyFrame = standard(0x0099_09e5, "Force Key Frame")
  package static let baselayerPriorityId = standard(0x0099_09e6, "Base Layer Priority ID")
  package static let auDelimiter = standard(0x0099_09e7, "Generate Access Unit Delimiters")
  package static let ltrCount = standard(0x0099_09e8, "LTR Count")
  package static let frameLtrIndex = standard(0x0099_09e9, "Frame LTR Index")
  package static let intraRefreshPeriod = standard(0x0099_09ec, "Intra Refresh Period")
  package static let intraRefreshPeriodType = standard(
    0x0099_09ed, "Intra Refresh Period Type", refreshTypes)
  package static let h264IFrameQp = standard(0x0099_0a5e, "H264 I-Frame QP Value")
  package static let h264PFrameQp = standard(0x0099_0a5f, "H264 P-Frame QP Value")
  package static let h264BFrameQp = standard(0x0099_0a60, "H264 B-Frame QP Value")
  package static let h264MinQp = standard(0x0099_0a61, "H264 Minimum QP Value")
  package static let h264MaxQp = standard(0x0099_0a62, "H264 Maximum QP Value")
  package static let h264Transform8x8 = standard(0x0099_0a63, "H264 8x8 Transform Enable")
  package static let h264CpbSize = standard(0x0099_0a64, "H264 CPB Buffer Size")
  package static let h264EntropyMode = standard(0x0099_0a65, "H264 Entropy Mode", entropyModes)
  package static let h264IPeriod = standard(0x0099_0a66, "H264 I-Frame Period")
  package static let h264Level = standard(0x0099_0a67, "H264 Level", h264Levels)
  package static let h264LoopFilterAlpha = standard(0x0099_0a68, "H264 Loop Filter Alpha Offset")
  package static let h264LoopFilterBeta = standard(0x0099_0a69, "H264 Loop Filter Beta Offset")
  package static let h264LoopFilterMode = standard(
    0x0099_0a6a, "H264 Loop Filter Mode", h264LoopFilters)
  package static let h264Profile = standard(0x0099_0a6b, "H264 Profile", h264Profiles)
  package static let h264VuiExtSarHeight = standard(0x0099_0a6c, "Vertical Size of SAR")
  package static let h264VuiExtSarWidth = standard(0x0099_0a6d, "Horizontal Size of SAR")
  package static let h264VuiSarEnable = standard(0x0099_0a6e, "Aspect Ratio VUI Enable")
  package static let h264VuiSarIdc = standard(0x0099_0a6f, "VUI Aspect Ratio IDC", aspectRatios)
  package static let h264ConstrainedIntraPrediction = standard(
    0x0099_0a7f, "H264 Constrained Intra Pred")
  package static let h264ChromaQpIndexOffset = standard(0x0099_0a80, "H264 Chroma QP Index Offset")
  package static let h264IFrameMinQp = standard(0x0099_0a81, "H264 I-Frame Minimum QP Value")
  package static let h264IFrameMaxQp = standard(0x0099_0a82, "H264 I-Frame Maximum QP Value")
  package static let h264PFrameMinQp = standard(0x0099_0a83, "H264 P-Frame Minimum QP Value")
  package static let h264PFrameMaxQp = standard(0x0099_0a84, "H264 P-Frame Maximum QP Value")
  package static let h264BFrameMinQp = standard(0x0099_0a85, "H264 B-Frame Minimum QP Value")
  package static let h264BFrameMaxQp = standard(0x0099_0a86, "H264 B-Frame Maximum QP Value")
  package static let hevcMinQp = standard(0x0099_0b58, "HEVC Minimum QP Value")
  package static let hevcMaxQp = standard(0x0099_0b59, "HEVC Maximum QP Value")
  package static let hevcIFrameQp = standard(0x0099_0b5a, "HEVC I-Frame QP Value")
  package static let hevcPFrameQp = standard(0x0099_0b5b, "HEVC P-Frame QP Value")
  package static let hevcBFrameQp = standard(0x0099_0b5c, "HEVC B-Frame QP Value")
  package static let hevcProfile = standard(0x0099_0b67, "HEVC Profile", hevcProfiles)
  package static let hevcLevel = standard(0x0099_0b68, "HEVC Level", hevcLevels)
  package static let hevcTier = standard(0x0099_0b6a, "HEVC Tier", hevcTiers)
  package static let hevcLoopFilterMode = standard(0x0099_0b6c, "HEVC Loop Filter", hevcLoopFilters)
  package static let hevcLfBetaOffsetDiv2 = standard(0x0099_0b6d, "HEVC Loop Filter Beta Offset")
  package static let hevcLfTcOffsetDiv2 = standard(0x0099_0b6e, "HEVC Loop Filter TC Offset")
  package static let hevcRefreshType = standard(0x0099_0b6f, "HEVC Refresh Type", hevcRefreshTypes)
  package static let hevcRefreshPeriod = standard(0x0099_0b70, "HEVC Num of I-Frame b/w 2 IDR")
  package static let hevcLosslessCu = standard(0x0099_0b71, "HEVC Lossless Encoding")
  package static let hevcConstIntraPred = standard(0x0099_0b72, "HEVC Constant Intra Prediction")
  package static let hevcWavefront = standard(0x0099_0b73, "HEVC Wavefront")
  package static let hevcStrongSmoothing = standard(0x0099_0b76, "HEVC Strong Intra Smoothing")
  package static let hevcMaxNumMergeMvMinus1 = standard(
    0x0099_0b77, "HEVC Max Num of Candidate MVs")
  package static let hevcTmvPrediction = standard(0x0099_0b79, "HEVC TMV Prediction")
  package static let refNumberForPframes = standard(0x0099_0b83, "Reference Frames for a P-Frame")
  package static let prependSpsppsToIdr = standard(0x0099_0b84, "Prepend SPS and PPS to IDR")
  package static let constantQuality = standard(0x0099_0b85, "Constant Quality")
  package static let frameSkipMode = standard(0x0099_0b86, "Frame Skip Mode", skipModes)
  package static let hevcIFrameMinQp = standard(0x0099_0b87, "HEVC I-Frame Minimum QP Value")
  package static let hevcIFrameMaxQp = standard(0x0099_0b88, "HEVC I-Frame Maximum QP Value")
  package static let hevcPFrameMinQp = standard(0x0099_0b89, "HEVC P-Frame Minimum QP Value")
  package static let hevcPFrameMaxQp = standard(0x0099_0b8a, "HEVC P-Frame Maximum QP Value")
  package static let hevcBFrameMinQp = standard(0x0099_0b8b, "HEVC B-Frame Minimum QP Value")
  package static let hevcBFrameMaxQp = standard(0x0099_0b8c, "HEVC B-Frame Maximum QP Value")
  package static let mfcFrameSkipMode = standard(0x0099_1102, "MFC51 Frame Skip Mode", skipModes)
  package static let mfcForceFrameType = standard(0x0099_1103, "MFC51 Force Frame Type", frameTypes)
  package static let mfcPadding = standard(0x0099_1104, "MFC51 Padding")
  package static let mfcPaddingYuv = standard(0x0099_1105, "MFC51 Padding Color")
  package static let mfcRcFixedTargetBit = standard(0x0099_1106, "MFC51 Fixed Target Bit")
  package static let mfcRcReactionCoeff = standard(0x0099_1107, "MFC51 Reaction Coefficient")
  package static let mfcH264AdaptiveRcActivity = standard(0x0099_1132, "MFC51 Adaptive RC Activity")
  package static let mfcH264AdaptiveRcDark = standard(0x0099_1133, "MFC51 Adaptive RC Dark")
  package static let mfcH264AdaptiveRcSmooth = standard(0x0099_1134, "MFC51 Adaptive RC Smooth")
  package static let mfcH264AdaptiveRcStatic = standard(0x0099_1135, "MFC51 Adaptive RC Static")
  package static let mfcH264NumRefPicForP = standard(0x0099_1136, "MFC51 Reference Pictures for P")
}

extension StandardControl {
  private static let bitrateModes = ["Variable Bitrate", "Constant Bitrate", "Constant Quality"]
  private static let headerModes = ["Separate Buffer", "Joined With 1st Frame"]
  private static let sliceModes = ["Single", "Max Macroblocks", "Max Bytes"]
  private static let skipModes = ["Disabled", "Level Limit", "VBV/CPB Limit"]
  private static let frameTypes = ["Disabled", "I Frame", "Not Coded"]
  private static let refreshTypes = ["Random", "Cyclic"]
  private static let entropyModes = ["CAVLC", "CABAC"]
  private static let h264Levels = [
    "1", "1b", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2", "5",
    "5.1", "5.2", "6.0", "6.1", "6.2",
  ]
  private static let h264LoopFilters = ["Enabled", "Disabled", "Disabled at Slice Boundary"]
  private static let h264Profiles = [
    "Baseline", "Constrained Baseline", "Main", "Extended", "High", "High 10", "High 422",
    "High 444 Predictive", "High 10 Intra", "High 422 Intra", "High 444 Intra",
    "CAVLC 444 Intra", "Scalable Baseline", "Scalable High", "Scalable High Intra",
    "Stereo High", "Multiview High", "Constrained High",
  ]
  private static let aspectRatios = [
    "Unspecified", "1x1", "12x11", "10x11", "16x11", "40x33", "24x11", "20x11", "32x11", "80x33",
    "18x11", "15x11", "64x33", "160x99", "4x3", "3x2", "2x1", "Extended SAR",
  ]
  private static let hevcProfiles = ["Main", "Main Still Picture", "Main 10"]
  private static let hevcLevels = [
    "1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2",
  ]
  private static let hevcTiers = ["Main", "High"]
  private static let hevcLoopFilters = ["Disabled", "Enabled", "Disabled at slice boundary"]
  private static let hevcRefreshTypes = ["None", "CRA", "IDR"]
}
