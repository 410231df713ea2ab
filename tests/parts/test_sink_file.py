"""The sink `file` on real files: what is acknowledged is there, whole, whatever ends it."""

import gzip
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from agent.contract.codec import json_data, pack_data
from agent.errors import SinkBusyError
from agent.sink import Item, kinds
from agent.sink.file import FileSink
from tests.left_out import leave_out
from tests.parts.sink_items import item, items
from tests.waiting import eventually


def opened(folder: Path, **params: Any) -> FileSink:  # noqa: ANN401  parameters of any type
    sink = FileSink("disk", "gate-7", {"folder": str(folder), **params})
    sink.open()
    return sink


def lines(path: Path) -> list[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def maps(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        return list(msgpack.Unpacker(file))


def seqs(records: list[dict[str, Any]]) -> list[int]:
    return [record["seq"] for record in records]


def test_lines_are_the_envelopes(tmp_path: Path) -> None:
    sink = opened(tmp_path / "new" / "folder")
    sink.send(items(1, 2))
    sink.send([item(3, data={"boxes": [[1.5, 2]], "raw": b"\xff", "text": "ü\n"})])
    found = lines(tmp_path / "new" / "folder" / "results.jsonl")
    assert seqs(found) == [1, 2, 3]
    assert found[2]["data"] == {"boxes": [[1.5, 2]], "raw": {"__bin__": "/w=="}, "text": "ü\n"}
    assert found[0]["device"] == "gate-7"


def test_json_is_that_of_the_twin_also_for_large_arrays() -> None:
    data = {"mask": np.arange(5_000, dtype=np.float32), "score": 0.5}
    payload = msgpack.packb({"seq": 1})[1:]
    packed = Item(
        epoch=1,
        seq=1,
        stream="s",
        algorithm="a",
        replay=False,
        payload=b"\x82" + payload + b"\xa4data" + pack_data(data),
    )
    assert json.loads(packed.json)["data"] == json.loads(json_data(data))


def test_msgpack_holds_the_payloads(tmp_path: Path) -> None:
    sink = opened(tmp_path, path="results.mp", format="msgpack")
    sent = items(1, 2, 3)
    sink.send(sent)
    assert (tmp_path / "results.mp").read_bytes() == b"".join(one.payload for one in sent)
    assert seqs(maps(tmp_path / "results.mp")) == [1, 2, 3]


def test_a_file_for_each_stream_and_none_outside_the_folder(tmp_path: Path) -> None:
    sink = opened(tmp_path / "out", path="{stream}/{algorithm}-{device}.jsonl")
    sink.send([item(1, stream="door"), item(2, stream=".."), item(3, stream="door"), item(4, stream=".")])
    assert seqs(lines(tmp_path / "out" / "door" / "heads-gate-7.jsonl")) == [1, 3]
    assert seqs(lines(tmp_path / "out" / "_." / "heads-gate-7.jsonl")) == [2]
    assert seqs(lines(tmp_path / "out" / "_" / "heads-gate-7.jsonl")) == [4]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "params.folder: is missing"),
        ({"folder": "x", "path": "/etc/passwd"}, "params.path: must be the name of a file below the folder"),
        ({"folder": "x", "path": "a/../b"}, "params.path: must be the name of a file below the folder"),
        ({"folder": "x", "path": "{stream}/"}, "params.path: must be the name of a file below the folder"),
        (
            {"folder": "x", "path": "{strem}"},
            "params.path: knows `{device}`, `{stream}` and `{algorithm}` only",
        ),
        ({"folder": "x", "rotate_byte": 1}, "params.rotate_byte: unknown key; did you mean `rotate_bytes`?"),
        ({"folder": "x", "keep": -1}, "params.keep: must be at least 0"),
    ],
)
def test_parameters_that_cannot_be_used(params: dict[str, Any], problem: str) -> None:
    assert kinds.problems(FileSink, params) == [problem]


@pytest.mark.parametrize("kind", ["jsonl", "msgpack"])
@pytest.mark.parametrize("rest", [1, 20, 5_000, 200_000])
def test_a_torn_end_is_cut_off_at_open(tmp_path: Path, kind: str, rest: int) -> None:
    """As a kill leaves it, at whatever byte; the acknowledged results before it stay."""
    path = tmp_path / "results"
    opened(tmp_path, path="results", format=kind).send(items(1, 2, 3))
    acknowledged = path.read_bytes()
    torn = item(4, data="x" * 300_000)
    record = torn.json + b"\n" if kind == "jsonl" else torn.payload
    path.write_bytes(acknowledged + record[:rest])
    opened(tmp_path, path="results", format=kind).send([torn])
    assert path.read_bytes() == acknowledged + record


@pytest.mark.parametrize("kind", ["jsonl", "msgpack"])
def test_zeros_of_a_power_cut_are_cut_off(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "results"
    opened(tmp_path, path="results", format=kind).send(items(1, 2))
    acknowledged = path.read_bytes()
    path.write_bytes(acknowledged + bytes(4_096) + b'"}\n')
    opened(tmp_path, path="results", format=kind).send(items(3))
    assert seqs(lines(path) if kind == "jsonl" else maps(path)) == [1, 2, 3]


@pytest.mark.parametrize(("before", "after"), [("jsonl", "msgpack"), ("msgpack", "jsonl")])
def test_a_file_of_another_format_is_put_aside_whole(tmp_path: Path, before: str, after: str) -> None:
    opened(tmp_path, path="results.x", format=before).send(items(*range(1, 200)))
    whole = (tmp_path / "results.x").read_bytes()
    opened(tmp_path, path="results.x", format=after, keep=0).send(items(200))
    assert (tmp_path / "results.000001.x").read_bytes() == whole
    found = (lines if after == "jsonl" else maps)(tmp_path / "results.x")
    assert seqs(found) == [200]


def test_a_file_damaged_in_the_middle_is_put_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.x"
    opened(tmp_path, path="results.x", format="msgpack").send(items(*range(1, 200)))
    damaged = bytearray(path.read_bytes())
    damaged[4_096:8_192] = bytes(4_096)
    path.write_bytes(damaged)
    opened(tmp_path, path="results.x", format="msgpack").send(items(200))
    assert (tmp_path / "results.000001.x").read_bytes() == bytes(damaged)
    assert seqs(maps(path)) == [200]


def test_a_file_that_is_only_torn_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(b'{"seq": 1, "da')
    opened(tmp_path).send(items(1))
    assert seqs(lines(tmp_path / "results.jsonl")) == [1]


def test_large_files_are_put_aside_and_the_oldest_go(tmp_path: Path) -> None:
    sink = opened(tmp_path, rotate_bytes=4_096, keep=3)
    for number in range(1, 101):
        sink.send(items(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 4
    assert names[-1] == "results.jsonl"
    kept = [seq for name in names[:-1] for seq in seqs(lines(tmp_path / name))]
    kept += seqs(lines(tmp_path / names[-1]))
    assert kept == list(range(kept[0], 101))
    assert all((tmp_path / name).stat().st_size < 4_096 + 400 for name in names)
    numbers = [int(name.split(".")[1]) for name in names[:-1]]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert numbers[0] > 1


def test_numbers_go_on_after_a_restart_and_no_file_is_overwritten(tmp_path: Path) -> None:
    for number in range(1, 41):
        opened(tmp_path, rotate_bytes=4_096).send(items(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [seq for name in names for seq in seqs(lines(tmp_path / name))] == list(range(1, 41))
    assert names[0] == "results.000001.jsonl"


@pytest.mark.parametrize("off_s", [90_000, -90_000])
def test_an_old_file_is_put_aside(tmp_path: Path, off_s: int) -> None:
    """Its age is that of its first result; a clock that was set back makes no file young for ever."""
    sink = opened(tmp_path)
    sink.send([item(1, time_us=int((time.time() - off_s) * 1e6))])
    sink.send(items(2))
    assert len(list(tmp_path.iterdir())) == 1
    opened(tmp_path).send(items(3))
    assert seqs(lines(tmp_path / "results.000001.jsonl")) == [1, 2]
    assert seqs(lines(tmp_path / "results.jsonl")) == [3]


def test_what_is_put_aside_is_compressed_also_what_a_kill_left(tmp_path: Path) -> None:
    opened(tmp_path, rotate_bytes=4_096).send(items(*range(1, 30)))
    opened(tmp_path, rotate_bytes=4_096).send(items(*range(30, 60)))  # puts the first aside, plain
    (tmp_path / "results.000001.jsonl.gz.unfinished").write_bytes(b"half")
    sink = opened(tmp_path, rotate_bytes=4_096, gzip=True)
    try:
        sink.send(items(60))
        names = ["results.000001.jsonl.gz", "results.000002.jsonl.gz", "results.jsonl"]
        eventually(
            lambda: sorted(path.name for path in tmp_path.iterdir()) == names, what="all is compressed"
        )
    finally:
        sink.close()
    assert [seq for name in names for seq in seqs(lines(tmp_path / name))] == list(range(1, 61))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        leave_out("no right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_fails_the_batch_and_leaves_the_file_whole(tiny_disk: Path) -> None:
    sink = opened(tiny_disk)
    sink.send(items(1, 2))
    ballast = tiny_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4_096))
            except OSError:
                break
    for _ in range(3):
        with pytest.raises(SinkBusyError, match=r"results.jsonl cannot be written: No space left on device"):
            sink.send(items(*range(3, 60)))
        assert seqs(lines(tiny_disk / "results.jsonl")) == [1, 2]
    ballast.unlink()
    sink.send(items(*range(3, 60)))
    assert seqs(lines(tiny_disk / "results.jsonl")) == list(range(1, 60))


def test_a_batch_for_two_files_of_which_one_fails_is_not_there_twice(tmp_path: Path) -> None:
    (tmp_path / "yard.jsonl").mkdir()
    sink = opened(tmp_path, path="{stream}.jsonl")
    batch = [item(1), item(2, stream="yard"), item(3)]
    for _ in range(3):
        with pytest.raises(SinkBusyError, match=r"yard.jsonl cannot be written: Is a directory"):
            sink.send(batch)
    (tmp_path / "yard.jsonl").rmdir()
    sink.send(batch)
    assert seqs(lines(tmp_path / "door.jsonl")) == [1, 3]
    assert seqs(lines(tmp_path / "yard.jsonl")) == [2]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkBusyError, match="cannot be made"):
        opened(tmp_path / "file" / "folder")


def test_a_file_removed_under_way_is_made_again(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    sink.send(items(1))
    (tmp_path / "results.jsonl").unlink()
    sink.send(items(2))
    eventually(lambda: seqs(lines(tmp_path / "results.jsonl")) == [2])
