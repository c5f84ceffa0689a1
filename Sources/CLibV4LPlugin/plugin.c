/* The symbol by which libv4l2 knows a plugin, and the conventions of its calls. */
#include <dlfcn.h>
#include <errno.h>
#include <libv4l-plugin.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "CLibV4LPlugin.h"

static void *claim(int fd) { return virtual_plugin_claim(fd); }

static void release(void *handle) { virtual_plugin_release(handle); }

static int perform(void *handle, int fd, unsigned long request, void *argument) {
  int result = virtual_plugin_perform(handle, fd, (unsigned int)request, argument);
  if (result >= 0) return result;
  errno = -result;
  return -1;
}

__attribute__((visibility("default"))) const struct libv4l_dev_ops libv4l2_plugin = {
    .init = claim, .close = release, .ioctl = perform};

/* libv4l2 unloads a plugin with its last device, and at once when it claims nothing. The Swift
 * runtime remembers the types of every library that was ever loaded, so this one has to stay. */
__attribute__((constructor)) static void stay_loaded(void) {
  Dl_info own;
  if (dladdr(&libv4l2_plugin, &own)) dlopen(own.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

int virtual_plugin_is_null_device(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

int virtual_plugin_watch(int fd, int event) {
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set == -1) return -errno;
  struct epoll_event interest = {.events = EPOLLIN | EPOLLET};
  int result = 0;
  if (epoll_ctl(set, EPOLL_CTL_ADD, event, &interest) == -1 || dup2(set, fd) == -1) result = -errno;
  close(set);
  return result;
}

void virtual_plugin_report(const char *message) {
  fprintf(stderr, "libv4l2_virtual_encoder: %s\n", message);
}
