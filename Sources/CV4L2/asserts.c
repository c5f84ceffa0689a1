/* Layouts that Swift code relies on, checked where they are compiled. */
#include <linux/videodev2.h>
#include <stddef.h>

_Static_assert(sizeof(struct v4l2_ext_control) == 20, "v4l2_ext_control is packed");
_Static_assert(sizeof(struct v4l2_pix_format_mplane) == 192, "v4l2_pix_format_mplane is packed");
_Static_assert(sizeof(struct v4l2_plane) == 64 || sizeof(void *) == 4, "v4l2_plane");
_Static_assert(sizeof(((struct v4l2_format *)0)->fmt) == 200, "v4l2_format.fmt");
