/*
 * The least a client can do: the yardstick of `make bench`.
 *
 *   bare-client DEVICE INPUT WIDTH HEIGHT FRAMES BITRATE OUTPUT
 *
 * Reads each frame of an I420 file with one preadv, luma straight into the device's NV12 buffer and
 * chroma for libyuv to interleave there, and waits with one poll per frame: two QBUF, two DQBUF,
 * one poll. Multi-planar API only; no error is handled beyond naming it.
 *
 * With - for DEVICE the frames get into shared memory and nowhere else: what no client can save.
 */
#include <errno.h>
#include <fcntl.h>
#include <libyuv.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFFERS = 4 };
static const int RAW = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
static const int CODED = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
static int device;
static unsigned width, height;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void request(unsigned long number, void *argument, const char *name) {
  while (ioctl(device, number, argument) == -1)
    if (errno != EINTR) fail(name);
}

static struct v4l2_format set_format(int type, unsigned fourcc, unsigned width, unsigned height) {
  struct v4l2_format format = {.type = type};
  format.fmt.pix_mp.width = width;
  format.fmt.pix_mp.height = height;
  format.fmt.pix_mp.pixelformat = fourcc;
  format.fmt.pix_mp.num_planes = 1;
  format.fmt.pix_mp.plane_fmt[0].sizeimage = type == CODED ? width * height : 0;
  request(VIDIOC_S_FMT, &format, "VIDIOC_S_FMT");
  return format;
}

static void allocate(int type, unsigned char **mappings) {
  struct v4l2_requestbuffers buffers = {
    .count = BUFFERS, .type = type, .memory = V4L2_MEMORY_MMAP};
  request(VIDIOC_REQBUFS, &buffers, "VIDIOC_REQBUFS");
  if (buffers.count != BUFFERS) fail("VIDIOC_REQBUFS gave another number of buffers");
  for (unsigned index = 0; index < BUFFERS; index++) {
    struct v4l2_plane plane = {0};
    struct v4l2_buffer buffer = {
      .index = index, .type = type, .memory = V4L2_MEMORY_MMAP, .length = 1, .m.planes = &plane};
    request(VIDIOC_QUERYBUF, &buffer, "VIDIOC_QUERYBUF");
    mappings[index] = mmap(
      NULL, plane.length, PROT_READ | PROT_WRITE, MAP_SHARED, device, plane.m.mem_offset);
    if (mappings[index] == MAP_FAILED) fail("mmap");
  }
}

static void queue(int type, unsigned index, unsigned bytes, long microseconds) {
  struct v4l2_plane plane = {.bytesused = bytes};
  struct v4l2_buffer buffer = {
    .index = index, .type = type, .memory = V4L2_MEMORY_MMAP, .length = 1, .m.planes = &plane};
  buffer.timestamp.tv_sec = microseconds / 1000000;
  buffer.timestamp.tv_usec = microseconds % 1000000;
  request(VIDIOC_QBUF, &buffer, "VIDIOC_QBUF");
}

static unsigned dequeue(int type, unsigned *bytes) {
  struct v4l2_plane plane = {0};
  struct v4l2_buffer buffer = {
    .type = type, .memory = V4L2_MEMORY_MMAP, .length = 1, .m.planes = &plane};
  request(VIDIOC_DQBUF, &buffer, "VIDIOC_DQBUF");
  *bytes = plane.bytesused;
  return buffer.index;
}

/* Brings a frame of the file into a buffer whose chroma begins after `rows` rows of luma. */
static void read_frame(
  int input, long number, unsigned char *buffer, unsigned rows, unsigned char *chroma) {
  const size_t luma = (size_t)width * height, frame_size = luma * 3 / 2;
  const struct iovec parts[] = {{buffer, luma}, {chroma, luma / 2}};
  if (preadv(input, parts, 2, frame_size * number) != (ssize_t)frame_size) fail("preadv");
  MergeUVPlane(
    chroma, width / 2, chroma + luma / 4, width / 2, buffer + (size_t)width * rows, width,
    width / 2, height / 2);
}

int main(int count, char **arguments) {
  if (count != 8) {
    fprintf(stderr, "usage: bare-client DEVICE INPUT WIDTH HEIGHT FRAMES BITRATE OUTPUT\n");
    return 64;
  }
  width = atoi(arguments[3]);
  height = atoi(arguments[4]);
  const int frames = atoi(arguments[5]);
  const size_t luma = (size_t)width * height, frame_size = luma * 3 / 2;

  const int input = open(arguments[2], O_RDONLY);
  struct stat information;
  if (input == -1 || fstat(input, &information) == -1) fail(arguments[2]);
  if ((size_t)information.st_size < frame_size * frames) {
    fprintf(stderr, "%s: too short\n", arguments[2]);
    return 65;
  }
  unsigned char *const chroma = malloc(luma / 2);
  if (chroma == NULL) fail("malloc");
  if (strcmp(arguments[1], "-") == 0) {
    unsigned char *const buffer =
      mmap(NULL, frame_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED) fail("mmap");
    for (int number = 0; number < frames; number++)
      read_frame(input, number, buffer, height, chroma);
    return 0;
  }
  device = open(arguments[1], O_RDWR | O_NONBLOCK);
  if (device == -1) fail(arguments[1]);
  const int output = open(arguments[7], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (output == -1) fail(arguments[7]);

  set_format(CODED, V4L2_PIX_FMT_H264, width, height);
  const struct v4l2_format raw = set_format(RAW, V4L2_PIX_FMT_NV12, width, height);
  if (raw.fmt.pix_mp.plane_fmt[0].bytesperline != width) {
    fprintf(stderr, "%s: pads rows of %u pixels\n", arguments[1], width);
    return 65;
  }
  const unsigned rows = raw.fmt.pix_mp.height;
  const unsigned raw_size = raw.fmt.pix_mp.plane_fmt[0].sizeimage;
  struct v4l2_control bitrate = {V4L2_CID_MPEG_VIDEO_BITRATE, atoi(arguments[6])};
  request(VIDIOC_S_CTRL, &bitrate, "VIDIOC_S_CTRL");
  unsigned char *raw_buffers[BUFFERS], *coded_buffers[BUFFERS];
  allocate(RAW, raw_buffers);
  allocate(CODED, coded_buffers);
  for (unsigned index = 0; index < BUFFERS; index++) queue(CODED, index, 0, 0);
  request(VIDIOC_STREAMON, (void *)&RAW, "VIDIOC_STREAMON");
  request(VIDIOC_STREAMON, (void *)&CODED, "VIDIOC_STREAMON");

  int sent = 0, received = 0;
  unsigned free_buffers[BUFFERS], free_count = 0;
  for (unsigned index = 0; index < BUFFERS; index++) free_buffers[free_count++] = index;
  while (received < frames) {
    while (free_count > 0 && sent < frames) {
      const unsigned index = free_buffers[--free_count];
      read_frame(input, sent, raw_buffers[index], rows, chroma);
      queue(RAW, index, raw_size, sent * 33333L);
      sent++;
    }
    struct pollfd interest = {.fd = device, .events = POLLIN | POLLOUT};
    if (poll(&interest, 1, 5000) != 1) fail("poll");
    unsigned bytes;
    if (interest.revents & POLLOUT) free_buffers[free_count++] = dequeue(RAW, &bytes);
    if (interest.revents & POLLIN) {
      const unsigned index = dequeue(CODED, &bytes);
      if (write(output, coded_buffers[index], bytes) != (ssize_t)bytes) fail(arguments[7]);
      queue(CODED, index, 0, 0);
      received++;
    }
  }
  return 0;
}
