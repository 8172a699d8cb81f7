"""CSV and TSV files as streams of rows, under the dialect that training would find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from classification.data.sources.csv_files import find_reading
from classification.data.sources.csv_reading import OddRow, Reading
from classification.data.sources.csv_rows import column_names, stream_rows
from classification.data.sources.data_files import DataFile
from classification.data.sources.input_stream import CellStream, content_hash, refuse_unreadable
from classification.data.sources.row_batches import InputSource
from classification.errors import join_first


class CsvStream(CellStream):
    """The rows of one file, or of several with the same columns.

    Raises:
        UsageError: as `find_reading`; or the files have different columns.
    """

    def __init__(self, files: Sequence[DataFile], source: InputSource, place: str, delimiter: str | None = None):
        self.sources = files
        self.readings = [
            find_reading(file, delimiter, build=False, keep_odd_rows=source.keep_bad_rows) for file in files
        ]
        columns = column_names(self.readings[0].header)
        for file, reading in zip(files, self.readings, strict=True):
            if set(column_names(reading.header)) != set(columns):
                raise file.error(
                    f"its columns ({join_first(reading.header)}) are not those of {files[0].path.name} "
                    f"({join_first(columns)}). Give all files of a split the same columns."
                )
        num_rows = sum(reading.rows for reading in self.readings)
        num_bad = sum(reading.num_bad for reading in self.readings)
        problems = [reading.first_problem for reading in self.readings if reading.first_problem]
        refuse_unreadable(files, place, num_rows, num_bad, problems[0] if problems else None)
        paths = [file.path for file in files]
        kind, mark = files[0].kind, self.readings[0].dialect.delimiter
        identity = content_hash(paths)
        super().__init__(place, kind, paths, tuple(columns), num_rows, identity, delimiter=mark, num_bad=num_bad)

    def rows(self) -> Iterator[list[str] | OddRow]:
        for file, reading in zip(self.sources, self.readings, strict=True):
            again = Reading(reading.dialect, reading.odd_share)
            order = [column_names(reading.header).index(name) for name in self.columns]
            is_ordered = order == sorted(order)
            prefix = f"{file.path.name}: " if len(self.sources) > 1 else ""
            for row in stream_rows(file, again):
                if isinstance(row, OddRow):
                    row.problem = prefix + row.problem
                if not is_ordered:
                    cells: list[Any] = row
                    cells[:] = [cells[place] for place in order]
                yield row
