"""A row a sample, in the format that the file's ending names."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from pipeline.base.files import atomic_file, write_parquet
from pipeline.errors import InputError

ENDINGS = (".parquet", ".csv", ".tsv")


def check_ending(path: Path) -> None:
    """Raise `InputError` for a name whose ending is none of `ENDINGS`."""
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}")


def write_rows(path: Path, table: pa.Table) -> None:
    """Write `table` as Parquet, or as text with commas or tabs, whose lists have blanks between
    their values; whole or not at all."""
    check_ending(path)
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
