#include <string.h>

#include "CV4L2.h"

static int is_multiplanar(uint32_t type) {
  return type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE || type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
}

void cv4l2_buffer_pack(const cv4l2_buffer *flat, cv4l2_raw_buffer *raw) {
  memset(raw, 0, sizeof *raw);
  struct v4l2_buffer *buffer = &raw->buffer;
  buffer->type = flat->type;
  buffer->memory = flat->memory;
  buffer->index = flat->index;
  buffer->flags = flat->flags;
  buffer->field = V4L2_FIELD_NONE;
  buffer->timestamp.tv_sec = flat->timestamp_microseconds / 1000000;
  buffer->timestamp.tv_usec = flat->timestamp_microseconds % 1000000;
  if (!is_multiplanar(flat->type)) {
    buffer->bytesused = flat->planes[0].bytesused;
    buffer->length = flat->planes[0].length;
    if (flat->memory == V4L2_MEMORY_DMABUF) buffer->m.fd = flat->planes[0].fd;
    if (flat->memory == V4L2_MEMORY_USERPTR) buffer->m.userptr = flat->planes[0].userptr;
    return;
  }
  /* On the way to the driver `length` is the number of planes in the array. */
  buffer->length = flat->plane_count;
  buffer->m.planes = raw->planes;
  for (int i = 0; i < CV4L2_PLANES; i++) {
    raw->planes[i].bytesused = flat->planes[i].bytesused;
    raw->planes[i].length = flat->planes[i].length;
    raw->planes[i].data_offset = flat->planes[i].data_offset;
    if (flat->memory == V4L2_MEMORY_DMABUF) raw->planes[i].m.fd = flat->planes[i].fd;
    if (flat->memory == V4L2_MEMORY_USERPTR) raw->planes[i].m.userptr = flat->planes[i].userptr;
  }
}

void cv4l2_buffer_unpack(const cv4l2_raw_buffer *raw, cv4l2_buffer *flat) {
  const struct v4l2_buffer *buffer = &raw->buffer;
  memset(flat, 0, sizeof *flat);
  flat->type = buffer->type;
  flat->memory = buffer->memory;
  flat->index = buffer->index;
  flat->flags = buffer->flags;
  flat->sequence = buffer->sequence;
  flat->timestamp_microseconds = (int64_t)((uint64_t)buffer->timestamp.tv_sec * 1000000u +
                                           (uint64_t)buffer->timestamp.tv_usec);
  if (!is_multiplanar(buffer->type)) {
    flat->plane_count = 1;
    flat->planes[0] = (cv4l2_plane){
        .bytesused = buffer->bytesused, .length = buffer->length, .mem_offset = buffer->m.offset};
    return;
  }
  flat->plane_count = buffer->length;
  for (int i = 0; i < CV4L2_PLANES; i++) {
    const struct v4l2_plane *plane = &raw->planes[i];
    flat->planes[i] = (cv4l2_plane){
        .bytesused = plane->bytesused, .length = plane->length,
        .data_offset = plane->data_offset, .mem_offset = plane->m.mem_offset};
  }
}

void cv4l2_buffer_prepare(cv4l2_raw_buffer *raw, uint32_t type, uint32_t memory, uint32_t planes) {
  memset(raw, 0, sizeof *raw);
  raw->buffer.type = type;
  raw->buffer.memory = memory;
  if (!is_multiplanar(type)) return;
  raw->buffer.length = planes;
  raw->buffer.m.planes = raw->planes;
}

void cv4l2_buffer_deliver(const cv4l2_raw_buffer *raw, struct v4l2_buffer *caller) {
  struct v4l2_plane *planes = caller->m.planes;
  uint32_t room = caller->length;
  *caller = raw->buffer;
  if (!is_multiplanar(raw->buffer.type)) return;
  uint32_t count = raw->buffer.length < VIDEO_MAX_PLANES ? raw->buffer.length : VIDEO_MAX_PLANES;
  caller->m.planes = planes;
  memcpy(planes, raw->planes, sizeof *planes * (count < room ? count : room));
}

void cv4l2_format_pack(const cv4l2_format *flat, struct v4l2_format *raw) {
  memset(raw, 0, sizeof *raw);
  raw->type = flat->type;
  if (!is_multiplanar(flat->type)) {
    struct v4l2_pix_format *pix = &raw->fmt.pix;
    pix->width = flat->width;
    pix->height = flat->height;
    pix->pixelformat = flat->pixelformat;
    pix->field = flat->field;
    pix->bytesperline = flat->planes[0].bytesperline;
    pix->sizeimage = flat->planes[0].sizeimage;
    pix->colorspace = flat->colorspace;
    pix->priv = V4L2_PIX_FMT_PRIV_MAGIC; /* else the three below are ignored */
    pix->xfer_func = flat->xfer_func;
    pix->ycbcr_enc = flat->ycbcr_enc;
    pix->quantization = flat->quantization;
    return;
  }
  struct v4l2_pix_format_mplane *pix = &raw->fmt.pix_mp;
  pix->width = flat->width;
  pix->height = flat->height;
  pix->pixelformat = flat->pixelformat;
  pix->field = flat->field;
  pix->colorspace = flat->colorspace;
  pix->xfer_func = flat->xfer_func;
  pix->ycbcr_enc = flat->ycbcr_enc;
  pix->quantization = flat->quantization;
  pix->num_planes = flat->plane_count;
  for (int i = 0; i < CV4L2_PLANES; i++) {
    pix->plane_fmt[i].bytesperline = flat->planes[i].bytesperline;
    pix->plane_fmt[i].sizeimage = flat->planes[i].sizeimage;
  }
}

void cv4l2_format_unpack(const struct v4l2_format *raw, cv4l2_format *flat) {
  memset(flat, 0, sizeof *flat);
  flat->type = raw->type;
  if (!is_multiplanar(raw->type)) {
    const struct v4l2_pix_format *pix = &raw->fmt.pix;
    flat->width = pix->width;
    flat->height = pix->height;
    flat->pixelformat = pix->pixelformat;
    flat->field = pix->field;
    flat->colorspace = pix->colorspace;
    if (pix->priv == V4L2_PIX_FMT_PRIV_MAGIC) {
      flat->xfer_func = pix->xfer_func;
      flat->ycbcr_enc = pix->ycbcr_enc;
      flat->quantization = pix->quantization;
    }
    flat->plane_count = 1;
    flat->planes[0] =
        (cv4l2_plane_format){.bytesperline = pix->bytesperline, .sizeimage = pix->sizeimage};
    return;
  }
  const struct v4l2_pix_format_mplane *pix = &raw->fmt.pix_mp;
  flat->width = pix->width;
  flat->height = pix->height;
  flat->pixelformat = pix->pixelformat;
  flat->field = pix->field;
  flat->colorspace = pix->colorspace;
  flat->xfer_func = pix->xfer_func;
  flat->ycbcr_enc = pix->ycbcr_enc;
  flat->quantization = pix->quantization;
  flat->plane_count = pix->num_planes;
  for (int i = 0; i < CV4L2_PLANES; i++) {
    flat->planes[i] = (cv4l2_plane_format){.bytesperline = pix->plane_fmt[i].bytesperline,
                                           .sizeimage = pix->plane_fmt[i].sizeimage};
  }
}
