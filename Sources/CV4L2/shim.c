#include "CV4L2.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int checked(int result) { return result == -1 ? -errno : result; }

int cv4l2_open(const char *path, int flags) { return checked(open(path, flags | O_CLOEXEC)); }

int cv4l2_close(int fd) { return checked(close(fd)); }

int cv4l2_replace(int file, int fd) { return checked(dup3(file, fd, O_CLOEXEC)); }

int cv4l2_ioctl(int fd, unsigned long request, void *argument) {
  return checked(ioctl(fd, request, argument));
}

int cv4l2_mmap(int fd, size_t length, int64_t offset, void **address) {
  void *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  if (mapped == MAP_FAILED) return -errno;
  *address = mapped;
  return 0;
}

int cv4l2_mmap_read(int fd, size_t length, void **address) {
  void *mapped = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return -errno;
  *address = mapped;
  return 0;
}

int cv4l2_dmabuf_sync_read(int fd, int begin) {
  struct dma_buf_sync sync = {
      .flags = DMA_BUF_SYNC_READ | (begin ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END)};
  int result;
  int tries = 100;
  do {
    result = checked(ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
  } while ((result == -EINTR || result == -EAGAIN) && --tries > 0);
  return result;
}

int cv4l2_munmap(void *address, size_t length) { return checked(munmap(address, length)); }

int cv4l2_poll(int fd, short events, int wake, int64_t timeout_nanoseconds, short *revents,
               int *woken) {
  struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = wake, .events = POLLIN}};
  struct timespec timeout = {
      .tv_sec = timeout_nanoseconds / 1000000000, .tv_nsec = timeout_nanoseconds % 1000000000};
  int count = checked(ppoll(fds, 2, timeout_nanoseconds < 0 ? NULL : &timeout, NULL));
  *revents = count > 0 ? fds[0].revents : 0;
  *woken = count > 0 && fds[1].revents != 0;
  return count;
}

int cv4l2_eventfd_create(void) { return checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int cv4l2_eventfd_signal(int fd) {
  uint64_t one = 1;
  return checked((int)write(fd, &one, sizeof one));
}

int cv4l2_eventfd_drain(int fd) {
  uint64_t count;
  return checked((int)read(fd, &count, sizeof count));
}

int64_t cv4l2_size(int fd) {
  off_t size = lseek(fd, 0, SEEK_END);
  return size == -1 ? -errno : size;
}

int cv4l2_memfd_create(const char *name) { return checked(memfd_create(name, MFD_CLOEXEC)); }

int64_t cv4l2_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void cv4l2_sleep_nanoseconds(int64_t duration) {
  struct timespec rest = {.tv_sec = duration / 1000000000, .tv_nsec = duration % 1000000000};
  while (nanosleep(&rest, &rest) == -1 && errno == EINTR) {
  }
}

int cv4l2_processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

struct start {
  void (*body)(void *);
  void *context;
};

static void *run(void *argument) {
  struct start start = *(struct start *)argument;
  free(argument);
  start.body(start.context);
  return NULL;
}

// A thread's own faults, which a handler can only mend where they are not blocked.
static const int faults[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

int cv4l2_thread_start(const char *name, void (*body)(void *), void *context) {
  struct start *start = malloc(sizeof *start);
  if (!start) return -ENOMEM;
  *start = (struct start){.body = body, .context = context};
  // The application's signals are for its own threads. Threads that this one makes, such as those
  // of a pool that it wakes, block the same.
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&blocked, faults[i]);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread;
  int result = pthread_create(&thread, NULL, run, start);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (result != 0) {
    free(start);
    return -result;
  }
  pthread_setname_np(thread, name);
  pthread_detach(thread);
  return 0;
}
