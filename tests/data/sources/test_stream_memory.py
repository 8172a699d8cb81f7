"""Memory does not grow with the rows of a stream: nothing is kept of a row that was used."""

from __future__ import annotations

import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stream_parity import open_input, parts_of

FEW, MANY = 2000, 8000
ALLOWED = 10  # bytes per row

MAKE = {  # kind -> content of n rows
    "csv": lambda n: "id,text,label\n" + "".join(f"u-{i},text {i},l{i % 3}\n" for i in range(n)),
    "tsv": lambda n: "id\ttext\tlabel\n" + "".join(f'u-{i}\t"text {i}\tl{i % 3}\n' for i in range(n)),
    "lines.csv": lambda n: "text\n" + "".join(f'"text {i}\nand more"\n' for i in range(n)),
    "jsonl": lambda n: "".join(json.dumps({"id": i, "text": f"text {i}"}) + "\n" for i in range(n)),
    "json": lambda n: json.dumps([{"id": i, "text": f"text {i}"} for i in range(n)]),
    "txt": lambda n: "".join(f"text {i}\n" for i in range(n)),
}


def largest_memory(path, *, keep_bad_rows: bool) -> int:
    """Bytes of Python and of Arrow, at the most, while a stream is opened and read."""
    arrow = pa.default_memory_pool()
    tracemalloc.start()
    largest = 0
    with open_input(path, keep_bad_rows=keep_bad_rows) as stream:
        for batch in stream.batches():
            batch.column("text")
            largest = max(largest, arrow.bytes_allocated())
    largest += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return largest


@pytest.mark.parametrize("keep_bad_rows", [False, True])
@pytest.mark.parametrize("kind", MAKE)
def test_more_rows_need_no_more_memory(kind, keep_bad_rows, tmp_path, monkeypatch):
    """In small parts, so that few rows show it; some rows are bad where bad rows are kept."""
    sources = "classification.data.sources"
    for name, size in {"row_batches.PART_ROWS": 200, "json_document.CHUNK": 1 << 12, "csv_facts.SAMPLE": 500,
                       "csv_facts.BATCH_ROWS": 200, "text_encoding.SAMPLE": 1 << 10}.items():  # fmt: skip
        monkeypatch.setattr(f"{sources}.{name}", size)
    used = {}
    for count in (FEW, MANY):
        content = MAKE[kind](count)
        if keep_bad_rows and kind != "json":
            content = content.replace("1\n", "1\udcff\n").replace('2"}\n', '2\udcff"}\n')
        (tmp_path / f"{count}.{kind}").write_bytes(content.encode("utf-8", "surrogateescape"))
        used[count] = largest_memory(tmp_path / f"{count}.{kind}", keep_bad_rows=keep_bad_rows)
    assert used[MANY] - used[FEW] < ALLOWED * (MANY - FEW), used


def test_a_large_row_group_is_never_in_memory(tmp_path):
    texts = pa.array([f"{i} " * 400 for i in range(2 * MANY)])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=len(texts), use_dictionary=False, compression="none")
    before = pa.default_memory_pool().bytes_allocated()
    largest = 0
    with parts_of(500), open_input(path) as stream:
        for batch in stream.batches():
            largest = max(largest, pa.default_memory_pool().bytes_allocated() - before)
            del batch
    assert largest < texts.nbytes / 4, (largest, texts.nbytes)
