internal import CV4L2

/// A control's number, `V4L2_CID_*`.
package struct ControlID: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// What the request's `which` member wants: the class in the upper half of the number.
  package var controlClass: UInt32 { rawValue & 0x0fff_0000 }

  private init(_ value: Int32) { rawValue = UInt32(bitPattern: value) }
  package static let bitrateMode = ControlID(V4L2_CID_MPEG_VIDEO_BITRATE_MODE)
  package static let bitrate = ControlID(V4L2_CID_MPEG_VIDEO_BITRATE)
  package static let bitratePeak = ControlID(V4L2_CID_MPEG_VIDEO_BITRATE_PEAK)
  package static let constantQuality = ControlID(V4L2_CID_MPEG_VIDEO_CONSTANT_QUALITY)
  package static let frameRCEnable = ControlID(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE)
  package static let mbRCEnable = ControlID(V4L2_CID_MPEG_VIDEO_MB_RC_ENABLE)
  package static let gopSize = ControlID(V4L2_CID_MPEG_VIDEO_GOP_SIZE)
  package static let bFrames = ControlID(V4L2_CID_MPEG_VIDEO_B_FRAMES)
  package static let forceKeyFrame = ControlID(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME)
  package static let headerMode = ControlID(V4L2_CID_MPEG_VIDEO_HEADER_MODE)
  package static let repeatSeqHeader = ControlID(V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER)
  package static let prependParameterSetsToIDR = ControlID(
    V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR)
  package static let h264IFrameQP = ControlID(V4L2_CID_MPEG_VIDEO_H264_I_FRAME_QP)
  package static let h264PFrameQP = ControlID(V4L2_CID_MPEG_VIDEO_H264_P_FRAME_QP)
  package static let h264BFrameQP = ControlID(V4L2_CID_MPEG_VIDEO_H264_B_FRAME_QP)
  package static let h264MinQP = ControlID(V4L2_CID_MPEG_VIDEO_H264_MIN_QP)
  package static let h264MaxQP = ControlID(V4L2_CID_MPEG_VIDEO_H264_MAX_QP)
  package static let h264Profile = ControlID(V4L2_CID_MPEG_VIDEO_H264_PROFILE)
  package static let h264Level = ControlID(V4L2_CID_MPEG_VIDEO_H264_LEVEL)
  package static let h264EntropyMode = ControlID(V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE)
  package static let h264Transform8x8 = ControlID(V4L2_CID_MPEG_VIDEO_H264_8X8_TRANSFORM)
  package static let h264IPeriod = ControlID(V4L2_CID_MPEG_VIDEO_H264_I_PERIOD)
  package static let hevcIFrameQP = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_I_FRAME_QP)
  package static let hevcPFrameQP = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_P_FRAME_QP)
  package static let hevcBFrameQP = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_B_FRAME_QP)
  package static let hevcMinQP = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_MIN_QP)
  package static let hevcMaxQP = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_MAX_QP)
  package static let hevcProfile = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_PROFILE)
  package static let hevcLevel = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_LEVEL)
  package static let hevcTier = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_TIER)
  package static let hevcRefreshType = ControlID(V4L2_CID_MPEG_VIDEO_HEVC_REFRESH_TYPE)
  package static let fwhtIFrameQP = ControlID(V4L2_CID_FWHT_I_FRAME_QP)
  package static let fwhtPFrameQP = ControlID(V4L2_CID_FWHT_P_FRAME_QP)
  package static let minBuffersForOutput = ControlID(V4L2_CID_MIN_BUFFERS_FOR_OUTPUT)
}
