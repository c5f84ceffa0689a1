"""The page that holds the results."""

import os
import platform
import re
import subprocess
from statistics import median

OURS, THEIRS, PLAIN, BARE = "v4l2enc", "FFmpeg h264_v4l2m2m", "v4l2-ctl", "bare C client"
FRAMES = "frames alone"
DEVICE_CALLS = ("VIDIOC_QBUF", "VIDIOC_DQBUF", "VIDIOC_DQBUF (EAGAIN)", "VIDIOC_DQEVENT",
                "VIDIOC_G_FMT", "poll", "ppoll", "pselect6", "epoll_wait", "epoll_pwait",
                "epoll_pwait2")


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


def share(ones, others):
    """The median of what the rounds say, each compared with itself only."""
    return median(one / other for one, other in zip(ones, others))


def speed_table(speeds):
    theirs = speeds[THEIRS]
    rows = ["| client | CPU ms per frame | of FFmpeg's | with start and end | of FFmpeg's "
            "| frames/s | of FFmpeg's | KiB per packet |",
            "|---|---|---|---|---|---|---|---|"]
    for name, speed in speeds.items():
        rows.append(
            f"| {name} | {median(speed.steady_cpu) * 1e3:.3f} "
            f"({min(speed.steady_cpu) * 1e3:.3f} to {max(speed.steady_cpu) * 1e3:.3f}) "
            f"| {share(speed.steady_cpu, theirs.steady_cpu):.2f} "
            f"| {median(speed.cpu) * 1e3:.3f} | {share(speed.cpu, theirs.cpu):.2f} "
            f"| {median(speed.rate):.0f} | {share(speed.rate, theirs.rate):.2f} "
            f"| {f'{speed.packet / 1024:.1f}' if speed.packet else ''} |")
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


def inside_table(inside):
    conversion, scaling = inside["conversion"], inside["scaling"]
    latency, streams = inside["latency"], inside["streams"]
    return [
        "| what | found |", "|---|---|",
        "| I420 to NV12, 1920x1080, into shared memory | "
        f"{conversion['ratio']:.2f} of a plain copy of the same bytes, "
        f"{conversion['milliseconds']:.3f} ms |",
        f"| UYVY 3840x2160 to NV12 1920x1080 | {scaling['milliseconds']:.2f} ms CPU per frame |",
        f"| from `encode` to the packet, frame rendered in place | {passing(latency, 'lent')} |",
        f"| from `encode` to the packet, I420 frame converted | {passing(latency, 'copied')} |",
        f"| four 1080p30 streams at once | {streams['packets']:.0f} packets of "
        f"{streams['frames']:.0f} frames, {streams['missed']:.0f} missed, "
        f"{streams['milliseconds']:.3f} ms CPU per frame, slowest packet "
        f"{streams['longest']:.1f} ms |",
    ]


def passing(latency, kind):
    return (f"p50 {latency[kind + '_p50']:.0f} µs, p99 {latency[kind + '_p99']:.0f} µs; the "
            f"device's own p50 {latency[kind + '_device_p50']:.0f} µs")


def aims(speeds, calls, allocations, inside, memory):
    """Each aim with what was found: (met, words)."""
    first, last = sorted(memory)[-2:]
    growth = memory[last].own - memory[first].own
    ours = speeds[OURS]
    theirs, plain, bare = (
        share(ours.steady_cpu, speeds[name].steady_cpu) for name in (THEIRS, PLAIN, BARE))
    rate = min(
        share(ours.rate, speed.rate) for name, speed in speeds.items()
        if name not in (OURS, FRAMES))
    found = calls[OURS]
    streams, latency = inside["streams"], inside["latency"]
    added = latency["lent_p50"] - latency["lent_device_p50"]
    ratio = inside["conversion"]["ratio"]
    return [
        (theirs <= 0.4, f"CPU per frame at most 0.4 of FFmpeg's: {theirs:.2f}"),
        (plain < 1, f"CPU per frame below v4l2-ctl's: {plain:.2f}"),
        (bare <= 1.15, f"CPU per frame within 1.15 of the bare C client's: {bare:.2f}"),
        (rate >= 1, f"at least as many frames per second as any: {rate:.2f} of the fastest"),
        (device_calls(found) <= 5.05, f"at most 5 device calls per frame: "
                                      f"{device_calls(found):.2f}"),
        (found.get("futex", 0) <= 2.05, f"at most 2 futex calls per packet: "
                                        f"{found.get('futex', 0):.2f}"),
        (allocations < 0.05, f"no heap allocation per frame: {max(allocations, 0):.2f}"),
        (added < 100, f"latency beyond the device's below 100 µs (p50): {added:.0f} µs"),
        (streams["missed"] == 0 and streams["packets"] == streams["frames"],
         f"four 1080p30 streams without a missed frame: {streams['missed']:.0f} missed"),
        (ratio <= 1.1, f"I420 to NV12 within 1.1 of a plain copy: {ratio:.2f}"),
        (growth <= 1024, f"resident memory of its own flat from frame {first} to frame "
                         f"{last}: {growth:+.0f} KiB"),
    ]


def page(speeds, calls, allocations, inside, memory, options):
    lines = [
        "# Benchmarks", "",
        "Written by `make bench`. All clients encode the same 1920x1080 I420 file, which was just",
        "read from the disk, on the same virtual device (NV12, `null` back end: it returns",
        "synthetic packets at once, so that only the client's work is seen) served over FUSE, in",
        "turn, in one run. The figures are medians; ratios are medians of the rounds' own ratios.",
        "They travel between machines, absolute numbers do not.", "",
        f"Machine: {machine()}. {options.rounds} rounds of {options.many} frames.", "",
        "## Time", "",
        "CPU time is the client's own, user and system. The first column is the difference",
        f"between {options.many} and {options.few} frames, lowest and highest round in brackets;",
        "the third is the whole run divided by its frames. Output goes to /dev/null: new pages of",
        "the page cache cost any program some hundredths of a millisecond per packet, the more",
        "the longer its writes are, and would be seen instead of the clients.", "",
        *speed_table(speeds), "",
        "The bare C client makes five device calls per frame and one to read it; its source is",
        "`Benchmarks/bare-client.c`. It shows what is left to save. `frames alone` is the same",
        "program without a device: the bytes that nobody can save, brought from the page cache",
        "into shared memory as NV12. v4l2-ctl converts nothing: it takes the same bytes for NV12.",
        "v4l2enc and the bare client read luma straight into the device's buffer and let libyuv",
        "interleave chroma; FFmpeg and v4l2-ctl read all of it into memory of their own first.",
        "FFmpeg and the bare client do it all on one thread; v4l2enc feeds, waits and writes on",
        "three, whose meetings are in its time.",
        "FFmpeg's allocator is told to keep pictures on its heap, or FFmpeg 5.1 crashes; that adds",
        "no page faults.", "",
        "## System calls per frame", "",
        "By `strace -f`, difference of two runs; `futex` by `perf stat` where there is one, since",
        "tracing makes threads meet that would not. Counts of waits vary with the machine's load.",
        "",
        *call_table(calls), "",
        "## Inside the library", "",
        "By `encoder-bench` (Benchmarks/EncoderBench). Latency is measured on a device in the same",
        "process that encodes nothing and waits for nothing; the device's own is the time from the",
        "request that hands a frame over to the one that fetches its packet, in which threads of the",
        "device and of the library wake each other. The streams go through the served one.",
        "",
        *inside_table(inside), "",
        "## Memory", "",
        f"Heap allocations per frame in `v4l2enc`: {max(allocations, 0):.2f}.", "",
        "Resident memory of `v4l2enc` reading 1920x1080 frames from a pipe. The device's buffers,",
        "3 MiB for each of four raw frames, count from the first frame that is written into them:",
        "the last one that is free is used first, so the fourth may wait long for its turn.", "",
        "| after frame | its own, KiB | the device's buffers, KiB |", "|---|---|---|",
        *[f"| {frame} | {size.own} | {size.shared} |" for frame, size in sorted(memory.items())],
        "",
        "## Aims", "",
        *[f"- {'met' if met else '**missed**'}: {words}" for met, words in
          aims(speeds, calls, allocations, inside, memory)], "",
    ]
    return "\n".join(lines)
