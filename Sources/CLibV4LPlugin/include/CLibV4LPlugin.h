#ifndef CLIBV4LPLUGIN_H
#define CLIBV4LPLUGIN_H

/* What the plugin does, written in Swift (VirtualV4L2Plugin). Results are 0 or -errno. */

/* Takes a file that libv4l2 has opened; NULL when it is none of ours. */
void *_Nullable virtual_plugin_claim(int fd);
int virtual_plugin_perform(void *_Nonnull handle, int fd, unsigned int request,
                           void *_Nullable argument);
void virtual_plugin_release(void *_Nonnull handle);

/* What it needs of the system. */

/* Whether a descriptor is a node of the device that /dev/null is, 1:3. */
int virtual_plugin_is_null_device(int fd);
/* Makes `fd` an epoll instance that watches `event`, edge-triggered. */
int virtual_plugin_watch(int fd, int event);
/* One line on stderr. */
void virtual_plugin_report(const char *_Nonnull message);

#endif
