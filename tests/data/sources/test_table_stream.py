"""Parquet and Arrow as streams: their types stay, a damaged file is refused before its rows are used."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from stream_parity import open_input, parts_of, read_bad_rows, read_input, refuse_input

ROWS = 30
TABLE = pa.table(
    {
        "text": [f"text {i}" if i % 7 else None for i in range(ROWS)],
        "tags": [["x"] * (i % 3) for i in range(ROWS)],
        "inner": [{"a": i, "b": [f"{i}"]} for i in range(ROWS)],
        "kind": pa.array(["u", "v", None] * 10).dictionary_encode(),
        "time": [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)] * ROWS,
        "view": pa.array([f"{i}" for i in range(ROWS)], pa.string_view()),
        "count": pa.array(range(ROWS), pa.uint8()),
    }
).replace_schema_metadata({"made": "here"})


def write(folder, kind: str, table: pa.Table = TABLE):
    path = folder / f"a.{'arrow' if kind == 'stream' else kind}"
    if kind == "parquet":
        pq.write_table(table.drop_columns([n for n in ("view",) if n in table.column_names]), path, row_group_size=11)
    else:
        new = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=13)
    return path


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_every_row_comes_once_and_in_order_with_its_types(kind, tmp_path):
    path = write(tmp_path, kind)
    with parts_of(7), open_input(path) as stream:
        batches = list(stream.batches())
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2] and [batch.number for batch in batches] == [
        0,
        1,
        2,
        3,
        4,
    ]
    table = pa.concat_tables(batch.table() for batch in batches)
    expected = TABLE.select(stream.columns)
    assert table.to_pylist() == expected.to_pylist() and stream.num_rows == ROWS
    assert stream.schema.equals(expected.schema) and stream.schema.metadata[b"made"] == b"here"
    assert [row for batch in batches for row in batch.records()] == expected.to_pylist()
    assert batches[1].column("kind") == expected.column("kind").to_pylist()[7:14]


def test_a_table_of_batches_can_be_written_again(tmp_path):
    path = tmp_path / "b.parquet"
    with parts_of(7), open_input(write(tmp_path, "parquet")) as stream, pq.ParquetWriter(path, stream.schema) as writer:
        for batch in stream.batches():
            writer.write_table(batch.table())
    assert read_input(path) == read_input(tmp_path / "a.parquet")


@pytest.mark.parametrize("cut", [1, 8, 200, 700])
@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_a_truncated_file_is_refused_also_where_bad_rows_are_kept(kind, cut, tmp_path):
    path = write(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-cut])
    message = refuse_input(path, keep_bad_rows=True)
    assert message.startswith(f"INPUT {path}: ") and "anew" in message


def test_a_damaged_page_is_found_before_the_first_batch(tmp_path):
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(5000)]}), tmp_path / "a.parquet", compression="zstd",
                   row_group_size=1000, write_page_checksum=True)  # fmt: skip
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    place = len(content) // 2
    content[place : place + 4] = bytes(255 - byte for byte in content[place : place + 4])
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"INPUT .*a\.parquet: cannot be read: .* Copy or write the file anew"):
        open_input(tmp_path / "a.parquet", keep_bad_rows=True)


def not_utf8(values: list[bytes]) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values).buffers())


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_a_string_with_other_bytes_is_named_by_its_row(kind, tmp_path):
    values = [b"a", b"caf\xe9", "é".encode(), b"\xff", b"b"]
    categories = pa.DictionaryArray.from_arrays([0, 0, 0, 0, 1], not_utf8([b"u", b"\xfe"]), safe=False)
    table = pa.table({"i": range(5), "text": not_utf8(values), "kind": categories})
    if kind == "parquet":  # the library checks categories itself: such a file is refused
        assert "cannot be read: Invalid UTF8" in refuse_input(write(tmp_path, kind, table), keep_bad_rows=True)
        table = table.set_column(2, "kind", pa.array(["u"] * 4 + ["\ufffd"]))
    path = write(tmp_path, kind, table)
    rows, problems = read_bad_rows(path)
    assert [row["text"] for row in rows] == ["a", "caf\ufffd", "é", "\ufffd", "b"]
    assert [row["kind"] for row in rows] == ["u", "u", "u", "u", "\ufffd"]
    named = {1: "row 2: the column 'text'", 3: "row 4: the column 'text'", 4: "row 5: the column 'kind'"}
    if kind == "parquet":
        named.pop(4)
    assert problems == {row: f"{start} is not valid UTF-8" for row, start in named.items()}
    assert "row 2: the column 'text' is not valid UTF-8" in refuse_input(path)


def test_other_bytes_inside_a_list_cannot_be_isolated(tmp_path):
    lists = pa.ListArray.from_arrays([0, 1, 2], not_utf8([b"a", b"\xff"]))
    path = write(tmp_path, "arrow", pa.table({"tags": lists}))
    assert "Copy or write the file anew" in refuse_input(path, keep_bad_rows=True)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_tables_without_rows_or_with_one_name_for_two_columns_are_refused(kind, tmp_path):
    assert "there are no rows" in refuse_input(write(tmp_path, kind, TABLE.slice(0, 0)))
    double = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    assert "two columns are called 'text'" in refuse_input(write(tmp_path, kind, double))


def test_a_saved_data_set_of_several_files_is_read_in_order_with_its_class_names(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    data = Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 0]}, features=features)
    data.select([2, 0, 1]).save_to_disk(str(tmp_path / "saved"), num_shards=2)
    assert read_input(tmp_path / "saved") == [{"text": t, "label": n} for t, n in [("c", 0), ("a", 0), ("b", 1)]]
    assert b"neg" in open_input(tmp_path / "saved").schema.metadata[b"huggingface"]
    next((tmp_path / "saved").glob("*00001-of*.arrow")).unlink()
    assert "cannot be read as arrow" in refuse_input(tmp_path / "saved")


def test_the_identity_of_parquet_is_its_content_also_where_the_footer_stays_the_same(tmp_path):
    def identity(*texts):
        return open_input(write(tmp_path, "parquet", pa.table({"text": [*texts]}))).identity

    first = identity("a", "good film", "bad films", "z")
    assert first == identity("a", "good film", "bad films", "z")
    assert first != identity("a", "bad films", "good film", "z")  # the same sizes, counts, and extreme values
