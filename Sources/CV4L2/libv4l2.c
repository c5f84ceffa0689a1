/* libv4l2 is loaded when a device needs it: programs that only meet kernel drivers do without. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CV4L2.h"

static struct {
  int (*open)(const char *path, int flags, ...);
  int (*close)(int fd);
  int (*ioctl)(int fd, unsigned long request, ...);
  void *(*mmap)(void *start, size_t length, int protection, int flags, int fd, int64_t offset);
  char directory[PATH_MAX];
} library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int is_loaded;

/* libv4l2 fills its table of devices partly outside its own lock: two threads that open or close
 * at once may mix their devices up (v4l2_fd_open, v4l2_get_index). */
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static int open_count;

static void load(void) {
  void *handle = dlopen("libv4l2.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!handle) return;
  *(void **)&library.open = dlsym(handle, "v4l2_open");
  *(void **)&library.close = dlsym(handle, "v4l2_close");
  *(void **)&library.ioctl = dlsym(handle, "v4l2_ioctl");
  *(void **)&library.mmap = dlsym(handle, "v4l2_mmap");
  is_loaded = library.open && library.close && library.ioctl && library.mmap;
  Dl_info info;
  char *path = NULL;
  if (is_loaded && dladdr(*(void **)&library.open, &info)) path = realpath(info.dli_fname, NULL);
  if (!path) return;
  char *slash = strrchr(path, '/');
  if (slash) *slash = '\0';
  strncpy(library.directory, path, sizeof library.directory - 1);
  free(path);
}

int cv4l2_libv4l2_load(void) {
  pthread_once(&once, load);
  return is_loaded ? 0 : -ENOSYS;
}

const char *cv4l2_libv4l2_directory(void) { return library.directory; }

int cv4l2_libv4l2_open_count(void) {
  pthread_mutex_lock(&table);
  int count = open_count;
  pthread_mutex_unlock(&table);
  return count;
}

/* Some plugins fail without setting errno (rkmpp's BITRATE_MODE); a stale one must not tell. */
static int failure(void) { return errno > 0 ? -errno : -EINVAL; }

int cv4l2_libv4l2_open(const char *path, int flags) {
  if (cv4l2_libv4l2_load() != 0) return -ENOSYS;
  pthread_mutex_lock(&table);
  errno = 0;
  int fd = library.open(path, flags | O_CLOEXEC);
  int result = fd >= 0 ? fd : failure();
  if (fd >= 0) {
    open_count++;
    /* rkmpp puts a descriptor of its own in the place of the one that was opened. */
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  pthread_mutex_unlock(&table);
  return result;
}

int cv4l2_libv4l2_close(int fd) {
  pthread_mutex_lock(&table);
  errno = 0;
  int result = library.close(fd) == 0 ? 0 : failure();
  open_count--;
  pthread_mutex_unlock(&table);
  return result;
}

int cv4l2_libv4l2_ioctl(int fd, unsigned long request, void *argument) {
  errno = 0;
  int result = library.ioctl(fd, request, argument);
  return result == -1 ? failure() : result;
}

int cv4l2_libv4l2_mmap(int fd, size_t length, int64_t offset, void **address) {
  errno = 0;
  void *mapped = library.mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  /* Rockchip's plugin answers NULL where mmap(2) says MAP_FAILED. */
  if (mapped == MAP_FAILED || !mapped) return failure();
  *address = mapped;
  return 0;
}

int cv4l2_can_poll(int fd) {
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set == -1) return -errno;
  struct epoll_event event = {.events = EPOLLIN};
  int result = epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 ? 1 : errno == EPERM ? 0 : -errno;
  close(set);
  return result;
}
