"""The virtual encoder device that all clients use, and the link FFmpeg finds it by."""

import os
import re
import signal
import subprocess
import time


class Device:
    """Serves the device while the `with` block runs."""

    def __init__(self, server, path):
        self.path = path
        answer = subprocess.run(
            [server, path, "--backend", "null", "--raw-formats", "nv12"], capture_output=True,
            text=True, timeout=60)
        if answer.returncode != 0:
            raise SystemExit(f"the device cannot be served: {answer.stderr.strip()}")
        found = re.search(r"\(pid (\d+)\)", answer.stdout + answer.stderr)
        if not found:
            raise SystemExit(f"no pid in the server's answer: {answer.stdout}{answer.stderr}")
        self.pid = int(found.group(1))
        self.link = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.link:
            os.unlink(self.link)
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while os.path.exists(f"/proc/{self.pid}") and time.monotonic() < deadline:
            time.sleep(0.02)

    def video_link(self):
        """A link below /dev by which programs that look for /dev/video* find the device."""
        if not self.link:
            numbers = (n for n in range(64) if not os.path.lexists(f"/dev/video{n}"))
            link = f"/dev/video{next(numbers)}"
            os.symlink(self.path, link)
            self.link = link
        return self.link
