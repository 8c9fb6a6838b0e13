# SPDX-License-Identifier: Apache-2.0
"""Which parts of an archive are damaged, found one by one and told together."""

from __future__ import annotations

from collections.abc import Callable

from fastae.archive import container
from fastae.archive.container import ContainerReader, Section
from fastae.errors import ChecksumError, FormatError

_MOST_NAMED = 20


class Damage:
    """The sections of an archive that cannot be read."""

    def __init__(self, reader: ContainerReader) -> None:
        self._reader = reader
        self._starts = [0]
        for window in reader.index.windows:
            self._starts.append(self._starts[-1] + window.n_sites)
        self._found: dict[Section, tuple[type[FormatError], str]] = {}  # not errors: theirs keep what was being read

    def is_whole(self, section: Section | None) -> bool:
        """Nothing has been found to be wrong with it; true of a section that an archive does without."""
        return section not in self._found

    def look(self, section: Section | None, read: Callable[[], object]) -> None:
        """Note a section that something which reads it refuses; the first time is enough."""
        if section is None or section in self._found:
            return
        try:
            read()
        except FormatError as err:
            self._found[section] = type(err), str(err)

    def _name(self, section: Section) -> str:
        if section.kind == container.HEADER:
            return "the header"
        if section.kind == container.SAMPLES:
            return "the names of samples"
        variants = f"variants {self._starts[section.window]}:{self._starts[section.window + 1]}"
        if section.kind == container.SITES:
            return f"the sites of {variants}"
        if section.kind == container.LATENTS:
            return f"the latents of {variants}"
        if section.kind != container.BLOCK:
            return f"all calls of {variants}"
        index = self._reader.index
        first = section.slab * index.slab_samples
        return f"the calls of {variants}, samples {first}:{min(first + index.slab_samples, index.n_samples)}"

    def raise_if_any(self) -> None:
        """Name every part that is lost.

        Raises
        ------
        FormatError
            ChecksumError where all that was found are bytes that do not match their checksum.
        """
        if not self._found:
            return
        names = list(dict.fromkeys(map(self._name, self._found)))
        more = [f"{len(names) - _MOST_NAMED} more parts"] if len(names) > _MOST_NAMED else []
        kinds, texts = zip(*self._found.values(), strict=True)
        kind = ChecksumError if all(issubclass(kind, ChecksumError) for kind in kinds) else FormatError
        raise kind(
            f"{self._reader.path} has lost {'; '.join(names[:_MOST_NAMED] + more)}, all else can be read; "
            f"the first of {len(texts)} damaged sections: {texts[0]}"
        )
