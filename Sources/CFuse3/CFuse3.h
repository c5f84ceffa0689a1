#ifndef CFUSE3_H
#define CFUSE3_H

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <linux/stat.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* FUSE passthrough, newer than Debian 12's <linux/fuse.h> (6.1); the values are kernel ABI and
 * cannot change. */
struct cfuse3_backing_map {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
static const unsigned long CFUSE3_BACKING_OPEN = _IOW(229, 1, struct cfuse3_backing_map);

enum {
  /* In the words of struct fuse_init_out: flags2 counts (FUSE_INIT_EXT), and passthrough is bit
   * 37 of both. */
  CFUSE3_INIT_FLAGS_WORD = 3,
  CFUSE3_INIT_FLAGS2_WORD = 8,
  CFUSE3_INIT_STACK_DEPTH_WORD = 9,
  CFUSE3_INIT_EXT = 1 << 30,
  CFUSE3_INIT_FLAGS2_PASSTHROUGH = 1 << (37 - 32),
  /* In the words of struct fuse_in_header followed by struct fuse_init_in. */
  CFUSE3_INIT_IN_FLAGS_WORD = 13,
  CFUSE3_INIT_IN_FLAGS2_WORD = 14,
  CFUSE3_FOPEN_PASSTHROUGH = 1 << 7,
  /* GNU extensions, which the Glibc module leaves out. */
  CFUSE3_SPAWN_SETSID = 0x80,
  CFUSE3_O_PATH = 010000000,
};

/* Asks which open file a descriptor belongs to. Sent by the server to itself only, and private:
 * no V4L2 request has this number. */
static const unsigned int CFUSE3_IDENTIFY = _IOR('V', 255, uint64_t);

/* Functions below are no variadic calls and return a result, or -errno: errno itself never
 * crosses into Swift. */
static inline long cfuse3_checked(long result) { return result == -1 ? -errno : result; }

/* Copies between this process and the thread `thread`; the number of bytes copied. */
/* The arguments of syscall(2) are passed as longs; an int leaves garbage in the upper half. */
static inline long cfuse3_read_memory(int thread, uint64_t address, void *_Nonnull target,
                                      size_t count) {
  struct iovec here = {target, count}, there = {(void *)(uintptr_t)address, count};
  return cfuse3_checked(syscall(SYS_process_vm_readv, thread, &here, 1UL, &there, 1UL, 0UL));
}

static inline long cfuse3_write_memory(int thread, uint64_t address, const void *_Nonnull source,
                                       size_t count) {
  struct iovec here = {(void *)source, count}, there = {(void *)(uintptr_t)address, count};
  return cfuse3_checked(syscall(SYS_process_vm_writev, thread, &here, 1UL, &there, 1UL, 0UL));
}

/* A duplicate, in this process, of a descriptor of the thread `thread`. Pidfds of threads came
 * with 6.9, as passthrough did. */
static inline long cfuse3_duplicate(int thread, int descriptor) {
  long owner = cfuse3_checked(syscall(SYS_pidfd_open, thread, O_EXCL /* PIDFD_THREAD */));
  if (owner < 0) return owner;
  long copy = cfuse3_checked(syscall(SYS_pidfd_getfd, (int)owner, descriptor, 0));
  close((int)owner);
  return copy;
}

/* The device number of the file system that holds a file, asking no file system: this one would
 * have to answer itself. 0 when there is no such file. */
static inline uint64_t cfuse3_file_system(int directory, const char *_Nonnull path) {
  struct {
    uint8_t before[136];
    uint32_t major, minor;
    uint8_t after[112];
  } status;
  _Static_assert(sizeof status == 256, "struct statx");
  const int flags = 0x1000 /* AT_EMPTY_PATH */ | 0x4000 /* AT_STATX_DONT_SYNC */;
  if (syscall(SYS_statx, directory, path, flags, 0, &status)) return 0;
  return (uint64_t)status.major << 32 | status.minor;
}

/* 0 when the file system that holds `path` answers; its mode goes to *mode. */
static inline long cfuse3_ask_mode(const char *_Nonnull path, uint16_t *_Nonnull mode) {
  struct {
    uint8_t before[28];
    uint16_t mode;
    uint8_t after[226];
  } status;
  _Static_assert(sizeof status == 256, "struct statx");
  const int flags = 0x2000 /* AT_STATX_FORCE_SYNC */;
  long result = cfuse3_checked(
      syscall(SYS_statx, AT_FDCWD, path, flags, 1 /* STATX_TYPE */, &status));
  *mode = status.mode;
  return result;
}

/* Which open file `descriptor` is of, as its server knows it. */
static inline long cfuse3_identify(int descriptor, uint64_t *_Nonnull file) {
  return cfuse3_checked(ioctl(descriptor, CFUSE3_IDENTIFY, file));
}

static inline int cfuse3_status_flags(int descriptor) {
  return (int)cfuse3_checked(fcntl(descriptor, F_GETFL));
}

/* In a started process, closes every descriptor from `first` on. */
static inline int cfuse3_close_from(posix_spawn_file_actions_t *_Nonnull actions, int first) {
  return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

/* Registers the file that mappings reach; its number, to be named in the reply to OPEN. */
static inline long cfuse3_register_backing(int connection, int descriptor) {
  struct cfuse3_backing_map map = {.fd = descriptor};
  return cfuse3_checked(ioctl(connection, CFUSE3_BACKING_OPEN, &map));
}

#endif
