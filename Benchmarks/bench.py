#!/usr/bin/env python3
"""Compares v4l2enc with FFmpeg, v4l2-ctl and a bare C client on one virtual device.

Prints what it finds and writes docs/benchmarks.md. Nothing here fails for being slow.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import measure
import report
from clients import FRAME_BYTES, Client, ClientFailed, all_clients
from device import Device

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", type=int, default=200, help="frames of a short run")
    parser.add_argument("--many", type=int, default=1200, help="frames of a long run")
    parser.add_argument("--memory-frames", type=int, default=10_000,
                        help="frames after which memory must have reached its bound")
    parser.add_argument("--output", default=os.path.join(ROOT, "docs", "benchmarks.md"))
    return parser.parse_args()


def compile_c(source, target, *flags):
    path = os.path.join(ROOT, "Benchmarks", source)
    subprocess.run(["cc", "-O2", "-Wall", "-o", target, path, *flags], check=True)


def write_input(path, frames):
    """A few different pictures over and over: no client can see that they repeat."""
    pictures = [os.urandom(FRAME_BYTES) for _ in range(4)]
    with open(path, "wb") as file:
        for number in range(frames):
            file.write(pictures[number % len(pictures)])
        # No write-back while clients run.
        os.fsync(file.fileno())
        # Cached as a disk's file is that is read from the front, not in the pieces in which this
        # one was written: many small ones cost more.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    measure.read_through(path)


def run(chosen, work):
    release = os.path.join(ROOT, ".build", "release")
    v4l2enc = os.path.join(release, "v4l2enc")
    source = os.path.join(work, "input.yuv")
    output = os.path.join(work, "output.h264")
    bare_client = os.path.join(work, "bare-client")
    counter = os.path.join(work, "count-allocations.so")
    compile_c("bare-client.c", bare_client, "-lyuv")
    compile_c("count-allocations.c", counter, "-shared", "-fPIC")
    write_input(source, chosen.many)

    with Device(os.path.join(release, "v4l2-virtual-encoder"),
                os.path.join(work, "device")) as device:
        device.video_link()
        clients = all_clients(
            v4l2enc, bare_client, os.path.join(ROOT, "Scripts", "private-video-device.sh"),
            device.path, source)
        ours = clients[0]
        encoders = [client for client in clients if client.encodes]
        print("time", flush=True)
        speeds = measure.speeds(
            clients, chosen.rounds, chosen.few, chosen.many, source, output)
        print("system calls", flush=True)
        calls = {
            client.name: measure.calls_per_frame(
                client, 100, 1100, output, os.path.join(work, "strace.log"))
            for client in encoders}
        for client in encoders:
            futex = measure.futex_calls_per_frame(
                client, chosen.few, chosen.many, output, os.path.join(work, "perf.csv"))
            if futex is not None:
                calls[client.name]["futex"] = futex
        print("allocations", flush=True)
        allocations = measure.allocations_per_frame(
            ours, counter, chosen.few, chosen.many, output, os.path.join(work, "allocations"))
        print("inside the library", flush=True)
        inside = measure.inside(os.path.join(release, "encoder-bench"), device.path)
        print("memory", flush=True)
        piped = Client(ours.name, ["-" if part == source else part for part in ours.command])
        samples = {chosen.memory_frames // 10, chosen.memory_frames, 2 * chosen.memory_frames}
        memory = measure.memory(piped, samples, output)

    text = report.page(speeds, calls, allocations, inside, memory, chosen)
    os.makedirs(os.path.dirname(chosen.output), exist_ok=True)
    with open(chosen.output, "w") as file:
        file.write(text)
    print(f"\n{text}\nwritten to {chosen.output}")


def main():
    chosen = options()
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        sys.exit("bench: the device file needs root and /dev/fuse")
    # Beside the build, where a disk's file system is: a tmpfs holds files in single pages.
    place = os.path.join(ROOT, ".build")
    if shutil.disk_usage(place).free < (chosen.many + 100) * FRAME_BYTES:
        sys.exit(f"bench: {place} has no room for {chosen.many} frames")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as work:
        try:
            run(chosen, work)
        except ClientFailed as failure:
            sys.exit(f"bench: {failure}")


if __name__ == "__main__":
    main()
