#ifndef CV4L2_H
#define CV4L2_H

#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <stdint.h>
#include <sys/types.h>

/* Function-like macros do not reach Swift: each request and FourCC gets a typed constant. */
static const unsigned long CV4L2_VIDIOC_QUERYCAP = VIDIOC_QUERYCAP;
static const unsigned long CV4L2_VIDIOC_ENUM_FMT = VIDIOC_ENUM_FMT;
static const unsigned long CV4L2_VIDIOC_G_FMT = VIDIOC_G_FMT;
static const unsigned long CV4L2_VIDIOC_S_FMT = VIDIOC_S_FMT;
static const unsigned long CV4L2_VIDIOC_TRY_FMT = VIDIOC_TRY_FMT;
static const unsigned long CV4L2_VIDIOC_REQBUFS = VIDIOC_REQBUFS;
static const unsigned long CV4L2_VIDIOC_QUERYBUF = VIDIOC_QUERYBUF;
static const unsigned long CV4L2_VIDIOC_QBUF = VIDIOC_QBUF;
static const unsigned long CV4L2_VIDIOC_EXPBUF = VIDIOC_EXPBUF;
static const unsigned long CV4L2_VIDIOC_DQBUF = VIDIOC_DQBUF;
static const unsigned long CV4L2_VIDIOC_STREAMON = VIDIOC_STREAMON;
static const unsigned long CV4L2_VIDIOC_STREAMOFF = VIDIOC_STREAMOFF;
static const unsigned long CV4L2_VIDIOC_G_PARM = VIDIOC_G_PARM;
static const unsigned long CV4L2_VIDIOC_S_PARM = VIDIOC_S_PARM;
static const unsigned long CV4L2_VIDIOC_G_CTRL = VIDIOC_G_CTRL;
static const unsigned long CV4L2_VIDIOC_S_CTRL = VIDIOC_S_CTRL;
static const unsigned long CV4L2_VIDIOC_QUERYCTRL = VIDIOC_QUERYCTRL;
static const unsigned long CV4L2_VIDIOC_QUERYMENU = VIDIOC_QUERYMENU;
static const unsigned long CV4L2_VIDIOC_G_EXT_CTRLS = VIDIOC_G_EXT_CTRLS;
static const unsigned long CV4L2_VIDIOC_S_EXT_CTRLS = VIDIOC_S_EXT_CTRLS;
static const unsigned long CV4L2_VIDIOC_TRY_EXT_CTRLS = VIDIOC_TRY_EXT_CTRLS;
static const unsigned long CV4L2_VIDIOC_QUERY_EXT_CTRL = VIDIOC_QUERY_EXT_CTRL;
static const unsigned long CV4L2_VIDIOC_ENUM_FRAMESIZES = VIDIOC_ENUM_FRAMESIZES;
static const unsigned long CV4L2_VIDIOC_ENUM_FRAMEINTERVALS = VIDIOC_ENUM_FRAMEINTERVALS;
static const unsigned long CV4L2_VIDIOC_ENCODER_CMD = VIDIOC_ENCODER_CMD;
static const unsigned long CV4L2_VIDIOC_TRY_ENCODER_CMD = VIDIOC_TRY_ENCODER_CMD;
static const unsigned long CV4L2_VIDIOC_DQEVENT = VIDIOC_DQEVENT;
static const unsigned long CV4L2_VIDIOC_SUBSCRIBE_EVENT = VIDIOC_SUBSCRIBE_EVENT;
static const unsigned long CV4L2_VIDIOC_UNSUBSCRIBE_EVENT = VIDIOC_UNSUBSCRIBE_EVENT;
static const unsigned long CV4L2_VIDIOC_CREATE_BUFS = VIDIOC_CREATE_BUFS;
static const unsigned long CV4L2_VIDIOC_PREPARE_BUF = VIDIOC_PREPARE_BUF;
static const unsigned long CV4L2_VIDIOC_G_SELECTION = VIDIOC_G_SELECTION;
static const unsigned long CV4L2_VIDIOC_S_SELECTION = VIDIOC_S_SELECTION;
static const unsigned long CV4L2_VIDIOC_G_CROP = VIDIOC_G_CROP;
static const unsigned long CV4L2_VIDIOC_S_CROP = VIDIOC_S_CROP;
static const unsigned long CV4L2_VIDIOC_CROPCAP = VIDIOC_CROPCAP;
static const unsigned long CV4L2_VIDIOC_G_PRIORITY = VIDIOC_G_PRIORITY;
static const unsigned long CV4L2_VIDIOC_S_PRIORITY = VIDIOC_S_PRIORITY;
static const unsigned long CV4L2_VIDIOC_LOG_STATUS = VIDIOC_LOG_STATUS;
static const unsigned long CV4L2_VIDIOC_ENUMINPUT = VIDIOC_ENUMINPUT;
static const unsigned long CV4L2_VIDIOC_G_INPUT = VIDIOC_G_INPUT;
static const unsigned long CV4L2_VIDIOC_S_INPUT = VIDIOC_S_INPUT;
static const unsigned long CV4L2_VIDIOC_QUERY_DV_TIMINGS = VIDIOC_QUERY_DV_TIMINGS;
static const unsigned long CV4L2_VIDIOC_G_DV_TIMINGS = VIDIOC_G_DV_TIMINGS;
static const unsigned long CV4L2_VIDIOC_S_DV_TIMINGS = VIDIOC_S_DV_TIMINGS;
static const unsigned long CV4L2_VIDIOC_ENUMOUTPUT = VIDIOC_ENUMOUTPUT;

static const uint32_t CV4L2_PIX_FMT_NV12 = V4L2_PIX_FMT_NV12;
static const uint32_t CV4L2_PIX_FMT_NV21 = V4L2_PIX_FMT_NV21;
static const uint32_t CV4L2_PIX_FMT_YUV420 = V4L2_PIX_FMT_YUV420;
static const uint32_t CV4L2_PIX_FMT_YVU420 = V4L2_PIX_FMT_YVU420;
static const uint32_t CV4L2_PIX_FMT_YUV422P = V4L2_PIX_FMT_YUV422P;
static const uint32_t CV4L2_PIX_FMT_YUYV = V4L2_PIX_FMT_YUYV;
static const uint32_t CV4L2_PIX_FMT_UYVY = V4L2_PIX_FMT_UYVY;
static const uint32_t CV4L2_PIX_FMT_RGB24 = V4L2_PIX_FMT_RGB24;
static const uint32_t CV4L2_PIX_FMT_BGR24 = V4L2_PIX_FMT_BGR24;
static const uint32_t CV4L2_PIX_FMT_ABGR32 = V4L2_PIX_FMT_ABGR32;
static const uint32_t CV4L2_PIX_FMT_ARGB32 = V4L2_PIX_FMT_ARGB32;
static const uint32_t CV4L2_PIX_FMT_XBGR32 = V4L2_PIX_FMT_XBGR32;
static const uint32_t CV4L2_PIX_FMT_GREY = V4L2_PIX_FMT_GREY;
static const uint32_t CV4L2_PIX_FMT_NV12M = V4L2_PIX_FMT_NV12M;
static const uint32_t CV4L2_PIX_FMT_NV21M = V4L2_PIX_FMT_NV21M;
static const uint32_t CV4L2_PIX_FMT_YUV420M = V4L2_PIX_FMT_YUV420M;
static const uint32_t CV4L2_PIX_FMT_YVU420M = V4L2_PIX_FMT_YVU420M;
static const uint32_t CV4L2_PIX_FMT_H264 = V4L2_PIX_FMT_H264;
static const uint32_t CV4L2_PIX_FMT_HEVC = V4L2_PIX_FMT_HEVC;
static const uint32_t CV4L2_PIX_FMT_FWHT = V4L2_PIX_FMT_FWHT;
static const uint32_t CV4L2_PIX_FMT_MJPEG = V4L2_PIX_FMT_MJPEG;
static const uint32_t CV4L2_PIX_FMT_JPEG = V4L2_PIX_FMT_JPEG;

/* NVIDIA's name for HEVC (v4l2_nv_extensions.h of the Jetson Multimedia API); mainline has never
 * used it. */
static const uint32_t CV4L2_PIX_FMT_H265 = v4l2_fourcc('H', '2', '6', '5');

/* Newer than Debian 12's headers (6.1); the values are kernel ABI and cannot change. */
#ifndef V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS
#define V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS (1 << 7)
#endif
#ifndef V4L2_CID_MPEG_VIDEO_AVERAGE_QP
#define V4L2_CID_MPEG_VIDEO_AVERAGE_QP (V4L2_CID_CODEC_BASE + 657)
#endif

/* Every function below returns a result, or -errno. errno itself never crosses into Swift. */
int cv4l2_open(const char *_Nonnull path, int flags);
int cv4l2_close(int fd);
/* Makes the number `fd` another descriptor of `file`, and closes what it was. */
int cv4l2_replace(int file, int fd);
int cv4l2_ioctl(int fd, unsigned long request, void *_Nullable argument);

/* Maps shared, readable and writable; the address goes to *address. */
int cv4l2_mmap(int fd, size_t length, int64_t offset, void *_Nullable *_Nonnull address);
/* The same for reading only. */
int cv4l2_mmap_read(int fd, size_t length, void *_Nullable *_Nonnull address);
int cv4l2_munmap(void *_Nonnull address, size_t length);

/* Waits for `events` (poll(2) bits) on `fd`, for `wake` becoming readable, or for the timeout
 * (-1: none), in one call. Returns the number of ready descriptors; the bits that came go to
 * *revents, and *woken says whether `wake` was one of them. */
int cv4l2_poll(int fd, short events, int wake, int64_t timeout_nanoseconds,
               short *_Nonnull revents, int *_Nonnull woken);

/* Begins or ends reading a DMABUF by the CPU; repeats EINTR and EAGAIN, as its document asks. */
int cv4l2_dmabuf_sync_read(int fd, int begin);

/* libv4l2.so.0, for devices behind a plugin; see libv4l2.c. Opening and closing take turns in the
 * whole process. The directory is where the library was found, or empty. */
int cv4l2_libv4l2_load(void);
const char *_Nonnull cv4l2_libv4l2_directory(void);
int cv4l2_libv4l2_open(const char *_Nonnull path, int flags);
int cv4l2_libv4l2_close(int fd);
int cv4l2_libv4l2_ioctl(int fd, unsigned long request, void *_Nullable argument);
int cv4l2_libv4l2_mmap(int fd, size_t length, int64_t offset, void *_Nullable *_Nonnull address);
/* How many devices this process holds open through the functions above. */
int cv4l2_libv4l2_open_count(void);

/* Whether poll(2) can tell anything of a file: 1, 0 for one that is always ready, or -errno. */
int cv4l2_can_poll(int fd);
/* The size of what a descriptor refers to, such as a DMABUF, or -errno. */
int64_t cv4l2_size(int fd);

int cv4l2_eventfd_create(void);
int cv4l2_eventfd_signal(int fd);
int cv4l2_eventfd_drain(int fd);

int cv4l2_memfd_create(const char *_Nonnull name);
int64_t cv4l2_monotonic_nanoseconds(void);
void cv4l2_sleep_nanoseconds(int64_t duration);

/* How many processors the process may use. */
int cv4l2_processor_count(void);

/* Runs `body(context)` on a new detached thread called `name` (at most 15 bytes), with all
 * signals blocked but its own faults, so that they reach the threads of the program that owns
 * them. */
int cv4l2_thread_start(const char *_Nonnull name, void (*_Nonnull body)(void *_Nullable),
                       void *_Nullable context);

/* v4l2_buffer and v4l2_format differ between the single- and the multi-planar API and hide what
 * matters in unions. Swift sees these flat forms; the functions below convert them by buffer
 * type. */
enum { CV4L2_PLANES = 4 };

typedef struct {
  uint32_t bytesused, length, data_offset, mem_offset;
  int32_t fd;       /* of a DMABUF, on the way to the driver */
  uint64_t userptr; /* an address in this process, on the way to the driver */
} cv4l2_plane;

typedef struct {
  uint32_t type, memory, index, flags, sequence, plane_count;
  int64_t timestamp_microseconds;
  cv4l2_plane planes[CV4L2_PLANES];
} cv4l2_buffer;

/* The planes pointer of `buffer` points into `planes`: valid while the struct stays in place. */
typedef struct {
  struct v4l2_buffer buffer;
  struct v4l2_plane planes[VIDEO_MAX_PLANES];
} cv4l2_raw_buffer;

void cv4l2_buffer_pack(const cv4l2_buffer *_Nonnull flat, cv4l2_raw_buffer *_Nonnull raw);
void cv4l2_buffer_unpack(const cv4l2_raw_buffer *_Nonnull raw, cv4l2_buffer *_Nonnull flat);
/* Prepares an empty request for a buffer of this kind, with room for `planes` planes. */
void cv4l2_buffer_prepare(cv4l2_raw_buffer *_Nonnull raw, uint32_t type, uint32_t memory,
                          uint32_t planes);
/* Copies a buffer that was dequeued into `raw` to the caller's struct and to his planes. */
void cv4l2_buffer_deliver(const cv4l2_raw_buffer *_Nonnull raw,
                          struct v4l2_buffer *_Nonnull caller);

typedef struct {
  uint32_t bytesperline, sizeimage;
} cv4l2_plane_format;

typedef struct {
  uint32_t type, pixelformat, width, height, field;
  uint32_t colorspace, xfer_func, ycbcr_enc, quantization, plane_count;
  cv4l2_plane_format planes[CV4L2_PLANES];
} cv4l2_format;

void cv4l2_format_pack(const cv4l2_format *_Nonnull flat, struct v4l2_format *_Nonnull raw);
void cv4l2_format_unpack(const struct v4l2_format *_Nonnull raw, cv4l2_format *_Nonnull flat);

#endif
