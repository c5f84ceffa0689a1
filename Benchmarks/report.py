"""The page that holds the results."""

import os
import platform
import re
import subprocess

OURS, THEIRS, BARE = "v4l2enc", "FFmpeg h264_v4l2m2m", "bare C client"
DEVICE_CALLS = ("VIDIOC_QBUF", "VIDIOC_DQBUF", "VIDIOC_DQBUF (EAGAIN)", "VIDIOC_DQEVENT",
                "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2")


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    version = re.search(r"Swift version ([\d.]+)", swift)
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout
    return (f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, "
            f"Linux {platform.release().split('-')[0]}, "
            f"Swift {version.group(1) if version else '?'}, "
            f"FFmpeg {ffmpeg.split()[2].split('-')[0]}, "
            f"load average {os.getloadavg()[1]:.1f}")


def speed_table(speeds):
    theirs = speeds[THEIRS]
    rows = ["| client | CPU ms per frame | of FFmpeg's | with start and end | of FFmpeg's "
            "| frames/s | of FFmpeg's | KiB per packet |",
            "|---|---|---|---|---|---|---|---|"]
    for name, speed in speeds.items():
        rows.append(
            f"| {name} | {speed.steady_cpu * 1e3:.3f} ({speed.lowest * 1e3:.3f} to "
            f"{speed.highest * 1e3:.3f}) | {speed.steady_cpu / theirs.steady_cpu:.2f} "
            f"| {speed.cpu * 1e3:.3f} | {speed.cpu / theirs.cpu:.2f} "
            f"| {speed.rate:.0f} | {speed.rate / theirs.rate:.2f} "
            f"| {speed.packet / 1024:.1f} |")
    return rows


def call_table(calls):
    names = sorted({name for found in calls.values() for name in found},
                   key=lambda name: (name not in DEVICE_CALLS, name))
    rows = ["| call | " + " | ".join(calls) + " |", "|---|" + "---|" * len(calls)]
    for name in names:
        cells = [f"{found[name]:.2f}" if name in found else "" for found in calls.values()]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    totals = [f"{device_calls(found):.2f}" for found in calls.values()]
    rows.append("| **device calls together** | " + " | ".join(totals) + " |")
    return rows


def device_calls(found):
    return sum(value for name, value in found.items() if name in DEVICE_CALLS)


def aims(speeds, calls, memory):
    """Each aim with what was found: (met, words)."""
    first, last = sorted(memory)[-2:]
    growth = (memory[last] - memory[first]) / 1024
    share = speeds[OURS].steady_cpu / speeds[THEIRS].steady_cpu
    found = calls[OURS]
    return [
        (share <= 0.5, f"CPU per frame at most half of FFmpeg's: {share:.2f}"),
        (device_calls(found) <= 5.05, f"at most 5 device calls per frame: "
                                      f"{device_calls(found):.2f}"),
        (found.get("futex", 0) <= 2.05, f"at most 2 futex calls per packet: "
                                        f"{found.get('futex', 0):.2f}"),
        (growth <= 1024, f"resident memory flat from frame {first} to frame {last}: "
                         f"{growth:+.0f} KiB"),
    ]


def page(speeds, calls, allocations, memory, options):
    lines = [
        "# Benchmarks", "",
        "Written by `make bench`. All clients encode the same 1920x1080 I420 file, which the page",
        "cache holds, on the same virtual device (NV12, `null` back end: it returns synthetic",
        "packets at once, so that only the client's work is seen) served over FUSE, in turn, in",
        "one run. The figures are medians; ratios travel between machines, absolute numbers do",
        "not.", "",
        f"Machine: {machine()}. {options.rounds} rounds of {options.many} frames.", "",
        "## Time", "",
        "CPU time is the client's own, user and system. The first column is the difference",
        f"between {options.many} and {options.few} frames, lowest and highest round in brackets;",
        "the third is the whole run divided by its frames.", "",
        *speed_table(speeds), "",
        "The bare C client maps the input, converts with libyuv and makes five device calls per",
        "frame; its source is `Benchmarks/bare-client.c`. It shows what is left to save.", "",
        "## System calls per frame", "",
        "By `strace -f`, difference of two runs; `futex` by `perf stat` where there is one, since",
        "tracing makes threads meet that would not. Counts of waits vary with the machine's load.",
        "",
        *call_table(calls), "",
        "## Memory", "",
        f"Heap allocations per frame in `v4l2enc`: {allocations:.2f}.", "",
        "Resident memory of `v4l2enc` reading 1920x1080 frames from a pipe. Frames of 3 MiB wait",
        "between pipe and device, so it rises by some of them until as many have waited as can.", "",
        "| after frame | resident KiB |", "|---|---|",
        *[f"| {frame} | {size // 1024} |" for frame, size in sorted(memory.items())], "",
        "## Aims", "",
        *[f"- {'met' if met else '**missed**'}: {words}" for met, words in
          aims(speeds, calls, memory)], "",
    ]
    return "\n".join(lines)
