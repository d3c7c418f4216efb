"""Tensors in safetensors files, by name. Parts of them are read, and written, without the rest."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import InputRefused
from .world import World

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class TensorFiles:
    """The tensors of one or more safetensors files."""

    def __init__(self, files: list[str]):
        self._file_of: dict[str, str] = {}
        self._opened = {}
        for file in files:
            try:
                self._opened[file] = safe_open(file, "pt")
            except (OSError, SafetensorError) as error:
                raise InputRefused(f"{file} cannot be read ({error}): use a complete download.") from error
            self._file_of.update(dict.fromkeys(self._opened[file].keys(), file))
        self._files = files

    @property
    def names(self) -> set[str]:
        """The names of the tensors."""
        return set(self._file_of)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(self._slice(name).get_shape())

    def read(self, name: str, expected: tuple[int, ...], first: int = 0, end: int | None = None) -> Tensor:
        """Rows `first` to `end` of a tensor, in the type of the file.

        Args:
            expected: shape of the whole tensor
        """
        if name not in self._file_of:
            raise InputRefused(f'{self._files[0]} lacks the tensor "{name}", which the model needs: use a complete download.')
        tensor = self._slice(name)
        if tuple(tensor.get_shape()) != expected:
            raise InputRefused(
                f'{self._file_of[name]}: "{name}" has the shape {list(tensor.get_shape())}, the model needs {list(expected)}: '
                "use files and config.json of the same model."
            )
        return tensor[first:end] if expected else tensor[...]

    def _slice(self, name: str):  # noqa: ANN202 (safetensors has no public name for it)
        return self._opened[self._file_of[name]].get_slice(name)


def model_files(folder: str) -> TensorFiles:
    """The weights of a Hugging Face model folder: one file, or several with an index."""
    index = Path(folder, INDEX)
    if Path(folder, SINGLE).exists():
        return TensorFiles([str(Path(folder, SINGLE))])
    if not index.exists():
        raise InputRefused(f"{folder} has neither {SINGLE} nor {INDEX}: use a model folder with safetensors files.")
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise InputRefused(f"{index} is damaged ({error}): use a complete download.") from error
    return TensorFiles([str(Path(folder, name)) for name in names])


@contextmanager
def matrix_rows(world: World, file: str, name: str, shape: tuple[int, int]) -> Iterator[Callable[[list[int], Tensor], None]]:
    """Writes a float32 matrix as the only tensor of a file. Every rank writes the rows that it has.

    Yields:
        a function that writes the given rows: their indices, and tensors [at least as many, shape[1]]
    """
    size = 4 * shape[1]
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, shape[0] * size]}}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    start = 8 + len(header)
    with world.together():
        if world.rank == 0:
            with open(file, "wb") as created:
                created.write(len(header).to_bytes(8, "little") + header)
                created.truncate(start + shape[0] * size)
    with world.together():
        opened = open(file, "r+b")

    def write(rows: list[int], values: Tensor) -> None:
        for row, value in zip(rows, values.float().cpu()):
            opened.seek(start + row * size)
            opened.write(value.numpy().tobytes())

    try:
        yield write
        # The file is complete when all ranks have written theirs.
        with world.together():
            opened.close()
    finally:
        opened.close()
