"""A row a sample, in the format that the file's ending names."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from pipeline.base.files import atomic_file, write_parquet
from pipeline.execution.outputs import check_ending

ENDINGS = (".parquet", ".csv", ".tsv")


def write_rows(path: Path, table: pa.Table) -> None:
    """Write `table` as Parquet, or as text with commas or tabs, whose lists have blanks between
    their values; whole or not at all. Raises `InputError` for an ending of none of `ENDINGS`."""
    check_ending(path, ENDINGS, "a table")
    if path.suffix == ".parquet":
        write_parquet(path, table)
        return
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [" ".join(map(str, values)) for values in table[field.name].to_pylist()]
            table = table.set_column(place, field.name, pa.array(texts))
    options = pyarrow.csv.WriteOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
    content = io.BytesIO()
    pyarrow.csv.write_csv(table, content, options)
    with atomic_file(path) as file:
        file.write(content.getvalue())
