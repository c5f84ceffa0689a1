"""What is measured: time, system calls, allocations, memory."""

import collections
import os
import re
import subprocess
from dataclasses import dataclass, field

from clients import FRAME_BYTES, Client, ClientFailed


@dataclass
class Speed:
    """What each round found."""

    packet: float  # encoded bytes per frame
    cpu: list = field(default_factory=list)  # per frame, whole run
    steady_cpu: list = field(default_factory=list)  # per frame, without start and end
    rate: list = field(default_factory=list)  # frames per second, whole run


def read_through(path):
    """Reads a file, so that the page cache holds it: a busy machine drops it within a minute."""
    buffer = bytearray(1 << 20)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def speeds(clients, rounds, few, many, source, output):
    """Runs all clients in turn, so that what disturbs the machine disturbs all of them.

    The steady cost is the difference between a long and a short run: starting a program costs
    as much as hundreds of frames. One more run, whose output is kept, shows what comes out.
    """
    result = {
        client.name: Speed(client.run(few, output).size / few) for client in clients}
    for number in range(rounds):
        for client in clients:
            read_through(source)
            short = client.run(few, os.devnull)
            long = client.run(many, os.devnull)
            speed = result[client.name]
            speed.cpu.append(long.cpu / many)
            speed.steady_cpu.append((long.cpu - short.cpu) / (many - few))
            speed.rate.append(many / long.wall)
            print(f"  round {number + 1}: {client.name}: {long.cpu:.3f} s CPU, "
                  f"{many / long.wall:.0f} fps", flush=True)
    return result


CALL = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\((?:\d+, ([A-Z][A-Z0-9_]+))?)")


def count_calls(log):
    """System calls by name, ioctls by request; calls that would block counted apart."""
    counts = collections.Counter()
    pending = {}
    with open(log, errors="replace") as lines:
        for line in lines:
            match = CALL.match(line)
            if not match:
                continue
            thread, resumed, name, request = match.groups()
            if resumed:
                name = pending.pop(thread, resumed)
            else:
                if name == "ioctl" and request:
                    name = request
                if "<unfinished" in line:
                    pending[thread] = name
                    continue
            if name in ("VIDIOC_DQBUF", "VIDIOC_DQEVENT") and "= -1 EAGAIN" in line:
                name += " (EAGAIN)"
            counts[name] += 1
    return counts


def calls_per_frame(client, few, many, output, log):
    """Steady system calls per frame, by the difference of two traced runs."""
    counts = []
    for frames in (few, many):
        client.run(frames, output, prefix=["strace", "-f", "-qq", "-o", log])
        counts.append(count_calls(log))
        os.unlink(log)
    names = set(counts[0]) | set(counts[1])
    steady = {name: (counts[1][name] - counts[0][name]) / (many - few) for name in names}
    return {name: value for name, value in steady.items() if value >= 0.005}


def futex_calls_per_frame(client, few, many, output, log):
    """Steady futex calls per frame as the kernel counts them; None where `perf` cannot.

    Tracing stretches the time in which two threads can meet, and so makes futex calls of its own.
    """
    event = "syscalls:sys_enter_futex"
    perf = ["perf", "stat", "-x,", "-e", event, "-o", log]
    try:
        if subprocess.run(perf + ["true"], capture_output=True).returncode != 0:
            return None
    except FileNotFoundError:
        return None
    counts = []
    for frames in (few, many):
        client.run(frames, output, prefix=perf + ["--"])
        with open(log) as file:
            counts.append(next(int(line.split(",")[0]) for line in file if event in line))
    return (counts[1] - counts[0]) / (many - few)


def allocations_per_frame(client, counter, few, many, output, count_file):
    """Steady heap allocations per frame, by the difference of two counted runs."""
    counts = []
    for frames in (few, many):
        client.run(frames, output,
                   environment={"LD_PRELOAD": counter, "ALLOCATION_COUNT": count_file})
        with open(count_file) as file:
            counts.append(int(file.read()))
    return (counts[1] - counts[0]) / (many - few)


def inside(program, device):
    """What only a program that links the library can measure: figures by subject and name."""
    subjects = {"conversion": [], "scaling": [], "latency": [], "streams": [device, "4", "10"]}
    found = {}
    for subject, arguments in subjects.items():
        answer = subprocess.run(
            [program, subject, *arguments], capture_output=True, text=True, timeout=120)
        if answer.returncode != 0:
            raise ClientFailed(f"{program} {subject}: {answer.returncode}\n{answer.stderr}")
        pairs = (pair.split("=") for pair in answer.stdout.split())
        found[subject] = {name: float(value) for name, value in pairs}
    return found


@dataclass
class Resident:
    """Resident memory of a process in KiB."""

    own: int  # heap, stacks, code
    shared: int  # the device's buffers, as far as they were ever touched


def resident(pid):
    """The resident memory of a process."""
    with open(f"/proc/{pid}/status") as status:
        sizes = {name: int(rest.split()[0]) for name, rest in
                 (line.split(":") for line in status if line.startswith("Rss"))}
    if not sizes:
        raise ClientFailed(f"process {pid} has no memory any more")
    return Resident(sizes["RssAnon"] + sizes["RssFile"], sizes["RssShmem"])


def memory(client: Client, samples, output):
    """Feeds a client by a pipe and samples its resident memory after each number of frames."""
    frames = max(samples)
    command = client.arguments(frames, output)
    picture = os.urandom(FRAME_BYTES)
    found = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            for number in range(1, frames + 1):
                child.stdin.write(picture)
                if number in samples:
                    child.stdin.flush()
                    found[number] = resident(child.pid)
            child.stdin.close()
        except BrokenPipeError:
            pass
        said = child.stderr.read().decode(errors="replace")
    if child.returncode != 0:
        raise ClientFailed(f"{' '.join(command)}: {child.returncode}\n{said}")
    return found
