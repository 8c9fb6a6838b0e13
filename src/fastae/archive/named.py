# SPDX-License-Identifier: Apache-2.0
"""An archive's sites and sample names, and what an index that names some of them stands for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastae.archive import container
from fastae.archive.blocks import Blocks, kept
from fastae.archive.container import ContainerReader
from fastae.archive.heads import decode_head, decode_names
from fastae.archive.indexing import named, numbers, places
from fastae.archive.sites import decode_sites
from fastae.cohort import Sites
from fastae.errors import InputError
from fastae.regions import header_contigs, names_chromosome, parse_regions

Selection: TypeAlias = slice | str | ArrayLike | None
_MOST_LISTED = 3


class Named(Blocks):
    """The part of `Archive` that knows names."""

    def __init__(self, reader: ContainerReader, n_threads: int) -> None:
        super().__init__(reader, n_threads)
        self._window_sites: OrderedDict[int, Sites] = OrderedDict()
        self._names: list[str] | None = None
        self._head: tuple[str, str, dict[str, str]] | None = None

    @property
    def samples(self) -> list[str]:
        self._reader.check_open()
        if self._names is None:
            self._names = decode_names(self._reader.read(container.SAMPLES), self._reader.index.n_samples)
        return self._names

    def _header(self) -> tuple[str, str, dict[str, str]]:
        self._reader.check_open()
        if self._head is None:
            self._head = decode_head(self._reader.read(container.HEADER))
        return self._head

    @property
    def source(self) -> str:
        return self._header()[0]

    @property
    def header(self) -> str:
        return self._header()[1]

    @property
    def attributes(self) -> dict[str, str]:
        return self._header()[2]

    @property
    def sites(self) -> Sites:
        return Sites.concatenate(self._sites_of(window) for window in range(len(self._reader.index.windows)))

    @property
    def variants(self) -> np.ndarray:
        return self.sites.to_numpy()

    @property
    def windows(self) -> list[tuple[slice, list[tuple[str, int, int]]]]:
        """The windows of sites that blocks are made of: the variants of each, and what it spans.

        A span is a chromosome, the first position and the last one that a record reaches.
        """
        spans = [window.spans for window in self._reader.index.windows]
        starts = self._starts.tolist()
        return [(slice(*at), list(its)) for *at, its in zip(starts, starts[1:], spans, strict=False)]

    def window_bytes(self) -> np.ndarray:
        """Bytes of the file that each of `windows` takes for its calls: blocks, columns and decoder.

        Returns
        -------
        ndarray of int64, shape (n_windows,)
            Their sum is what `info` calls ``genotypes``, but for the index, and latents that no call depends on.
        """
        kinds = {container.COLUMNS, container.MODEL, container.BLOCK}
        n_bytes = np.zeros(len(self._reader.index.windows), np.int64)
        for section in self._reader.index.sections:
            if section.kind in kinds:
                n_bytes[section.window] += section.length
        return n_bytes

    def site_bits(self) -> np.ndarray:
        """Bits of the file that each variant takes for its calls: what its blocks' decoders read for it.

        All blocks are decoded. What belongs to no site of a window (its table of columns, latents, weights) is shared
        by all of them alike. Blocks by `runs` and `frequency` code many sites together: how those share the block's
        bytes is an estimate, by the runs or by the frequency of each.

        Returns
        -------
        ndarray of float64, shape (n_variants,)
            Their sum over the variants of a window is 8 times its `window_bytes`.

        Raises
        ------
        FormatError
            If a block is corrupt.

        Examples
        --------
        >>> import fastae
        >>> calls = np.zeros((100, 50, 2), np.int8)
        >>> calls[60] = np.random.default_rng(0).integers(0, 2, (50, 2))   # all that there is to tell
        >>> fastae.write_archive("cohort.fae", calls)
        >>> with fastae.open("cohort.fae") as archive:
        ...     bits = archive.site_bits()
        >>> int(bits.argmax()), bool(bits[60] > 10 * bits[59])
        (60, True)
        """
        bits = [np.zeros(window.n_sites) for window in self._reader.index.windows]
        n_bytes = self.window_bytes()
        for number, of_window in enumerate(bits):
            for section, slab in self._blocks(number):
                payload, n_samples = self._reader.read_section(section), slab.stop - slab.start
                of_window += self._decoder(number).spent_bits(payload, section.latents, section.predictor, n_samples)
            of_window += (8 * n_bytes[number] - of_window.sum()) / len(of_window)
        return np.concatenate([np.empty(0), *bits])

    def query(self, regions: str | Iterable[str]) -> np.ndarray:
        """Numbers of the variants that overlap any of some regions.

        Parameters
        ----------
        regions : str or iterable of str
            ``chrom``, ``chrom:pos``, ``chrom:from-to`` or ``chrom:from-``, 1-based, both ends included. Positions may
            be written as 50,300,000 or 50.3M; several regions may stand in one string, parted by commas. A record
            reaches from POS over its REF, or to INFO ``END``.

        Returns
        -------
        ndarray of int64
            Ascending.

        Raises
        ------
        TypeError
            If `regions` is neither a text nor several.
        InputError
            If a region is malformed or names a chromosome that neither sites nor header know.
        """
        if not isinstance(regions, (str, Iterable)):
            raise TypeError(f"a region is a text such as 22:50.3M-50.4M, got {type(regions).__name__}")
        windows = self._reader.index.windows
        wanted = parse_regions(regions, self._chromosomes())
        found = []
        for number, window in enumerate(windows):
            if any(
                n == c and first <= last_w and last >= first_w
                for n, first_w, last_w in window.spans
                for c, first, last in wanted
            ):
                found.append(self._starts[number] + self._sites_of(number).overlapping(wanted))
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    # ---- names as indices --------------------------------------------------------------------------------------

    def _chromosomes(self) -> dict[str, None]:
        """Those of sites, then those that only the header knows."""
        here = [name for window in self._reader.index.windows for name, _, _ in window.spans]
        return dict.fromkeys([*here, *header_contigs(self.header)])

    def _variant_key(self, key: object) -> object:
        """An index of variants with numbers for names."""
        texts = named(key)
        if texts is None:
            return key
        chromosomes = self._chromosomes()
        ids = {text for text in texts if not names_chromosome(text.partition(",")[0], chromosomes)}
        place = self._places_of(ids)
        parts = [[place[text]] if text in ids else self.query(text) for text in texts]
        return np.concatenate([np.zeros(0, np.int64), *(np.asarray(part, np.int64) for part in parts)])

    def _places_of(self, ids: set[str]) -> dict[str, int]:
        """Numbers of the variants that have these IDs, or one of whose IDs between semicolons is one of these."""
        place: dict[str, int] = {}
        for number, start in enumerate(self._starts[:-1].tolist() if ids else []):
            for i, text in enumerate(self._sites_of(number).id):
                for name in {text, *text.split(";")} & ids if ";" in text else {text} & ids:
                    if name in place:
                        raise InputError(
                            f"the ID {name!r} is that of variants {place[name]} and {start + i}, perhaps of more; "
                            "ask for them by number or region"
                        )
                    place[name] = start + i
        for name in ids - set(place):
            raise InputError(
                f"{name!r} is neither the ID of a variant nor a region here; give an ID of `variants`, or a region "
                f"such as {next(iter(self._chromosomes()), '22')}:50.3M-50.4M"
            )
        return place

    def _sample_key(self, key: object) -> object:
        """An index of samples with numbers for names; one name is one number."""
        names = named(key)
        if names is None:
            return key
        found = places(self.samples, set(names))
        for name in names:
            if name not in found:
                first = ", ".join(map(repr, self.samples[:_MOST_LISTED])) or "none"
                raise InputError(f"the archive has no sample {name!r}; its {len(self.samples)} begin with {first}")
            if len(found[name]) > 1:
                one, other = found[name][:2]
                raise InputError(f"samples {one} and {other} are both called {name!r}; ask by number")
        return found[key][0] if isinstance(key, str) else np.array([found[name][0] for name in names], np.int64)

    def _asked(self, variants: Selection, samples: Selection) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of variants and samples, in the order given."""
        index = self._reader.index
        return (
            numbers(self._variant_key(variants), index.n_sites, "variants"),
            numbers(self._sample_key(samples), index.n_samples, "samples"),
        )

    # ---- sites -------------------------------------------------------------------------------------------------

    def _sites_of(self, number: int) -> Sites:
        with self._lock:
            if number not in self._window_sites:
                data = self._reader.read(container.SITES, number)
                self._window_sites[number] = decode_sites(data, self._reader.index.windows[number].n_sites)
            return kept(self._window_sites, number)

    def _sites_at(self, variants: np.ndarray) -> Sites:
        """Sites in the order given, each window's text unpacked once."""
        window_of = np.searchsorted(self._starts, variants, side="right") - 1
        used, place = np.unique(window_of, return_inverse=True)
        if not len(used):
            return Sites()
        parts = [self._sites_of(int(number)) for number in used]
        offsets = np.cumsum([0] + [len(part) for part in parts])
        return Sites.concatenate(parts).take(variants - self._starts[window_of] + offsets[place])
