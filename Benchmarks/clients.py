"""The programs that are compared, and how one run of a program is measured."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

WIDTH, HEIGHT, RATE = 1920, 1080, 30
FRAME_BYTES = WIDTH * HEIGHT * 3 // 2
BITRATE = 8_000_000
RUN_LIMIT = 300


@dataclass
class Run:
    """What one run of a client cost."""

    cpu: float
    wall: float
    size: int  # encoded bytes


class ClientFailed(Exception):
    """A client ended with an error; the message holds what it said."""


@dataclass
class Client:
    """A program that encodes the first frames of a raw file on the device."""

    name: str
    command: list
    environment: dict = field(default_factory=dict)
    encodes: bool = True  # else it only brings the frames to where a device would have them

    def arguments(self, frames, output):
        values = {"frames": str(frames), "output": output}
        return [part.format(**values) for part in self.command]

    def run(self, frames, output, prefix=(), environment=None):
        """Encodes once and returns what it cost; fails when nothing comes out.

        What went to /dev/null has no size: 0.
        """
        command = list(prefix) + self.arguments(frames, output)
        with tempfile.TemporaryFile() as errors:
            started = time.monotonic()
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                env={**os.environ, **self.environment, **(environment or {})})
            alarm = threading.Timer(RUN_LIMIT, os.kill, (child.pid, signal.SIGKILL))
            alarm.start()
            _, status, usage = os.wait4(child.pid, 0)
            alarm.cancel()
            wall = time.monotonic() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                errors.seek(0)
                said = errors.read().decode(errors="replace")[-2000:]
                raise ClientFailed(f"{' '.join(command)}: {child.returncode}\n{said}")
        size = os.path.getsize(output) if self.encodes else 0
        if size == 0 and self.encodes and output != os.devnull:
            raise ClientFailed(f"{' '.join(command)}: wrote nothing")
        return Run(usage.ru_utime + usage.ru_stime, wall, size)


def all_clients(v4l2enc, bare_client, private_device, device, source):
    """Ours, FFmpeg, v4l2-ctl and the bare client, all reading the same file; and what they would
    cost without a device."""
    size = f"{WIDTH}x{HEIGHT}"
    return [
        Client("v4l2enc", [
            v4l2enc, "encode", source, "-o", "{output}", "--device", device, "--codec", "h264",
            "--size", size, "--format", "i420", "--fps", str(RATE), "--frames", "{frames}",
            "--bitrate", str(BITRATE), "--no-progress", "--quiet"]),
        # The h264_v4l2m2m encoder finds its device among /dev/video*.
        Client("FFmpeg h264_v4l2m2m", [
            "ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", "-f", "rawvideo",
            "-pix_fmt", "yuv420p", "-s", size, "-r", str(RATE), "-i", source, "-frames:v",
            "{frames}", "-pix_fmt", "nv12", "-c:v", "h264_v4l2m2m", "-b:v", str(BITRATE), "-f",
            "h264", "{output}"],
            # FFmpeg 5.1 copies as many rows as the driver's buffer has (1088), more than its own
            # frame holds (1080). In a mapping of its own the frame ends at a guard page, and FFmpeg
            # crashes; on the heap it survives.
            environment={"MALLOC_MMAP_THRESHOLD_": str(32 << 20)}),
        # It converts nothing: the same bytes pass for NV12. It looks its device up in sysfs, which
        # the wrapper makes it find; what that costs is the same in a short and in a long run.
        Client("v4l2-ctl", [
            private_device, device, "v4l2-ctl", "-d", "/dev/video0",
            f"--set-fmt-video-out=width={WIDTH},height={HEIGHT},pixelformat=NV12",
            "--set-fmt-video=pixelformat=H264", "--set-ctrl", f"video_bitrate={BITRATE}",
            "--stream-mmap", "--stream-out-mmap", f"--stream-from={source}",
            "--stream-count={frames}", "--stream-to={output}"]),
        Client("bare C client", [
            bare_client, device, source, str(WIDTH), str(HEIGHT), "{frames}",
            str(BITRATE), "{output}"]),
        Client("frames alone", [
            bare_client, "-", source, str(WIDTH), str(HEIGHT), "{frames}", str(BITRATE),
            "{output}"], encodes=False),
    ]
