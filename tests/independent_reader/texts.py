# SPDX-License-Identifier: Apache-2.0
"""The file that an archive was made from: §5.13."""


def file_of(archive):
    """The bytes of the VCF or FASTA."""
    text = (fasta if archive.source == "fasta" else vcf)(archive)
    if archive.attributes.get("final_newline") == "no":
        text = text.removesuffix("\n")
    if archive.attributes.get("line_end") == "crlf":
        text = text.replace("\n", "\r\n")
    return text.encode("utf-8", "surrogateescape")


def vcf(archive):
    """A line a site; FORMAT is GT, or . where no sample has a call."""
    lines = ["\t".join([archive.header, *archive.samples])]
    has_format = archive.header.endswith("\tFORMAT")
    for site, calls, phased in zip(zip(*archive.sites, strict=True), archive.calls, archive.phased, strict=True):
        fields = [str(field) for field in site]
        if has_format:
            bare = len(calls) and (calls == -2).all()
            fields.append("." if bare else "GT")
        lines.append("\t".join([*fields, *map(call_text, calls.tolist(), phased)]))
    return "\n".join(lines) + "\n"


def call_text(call, phased):
    """A call as VCF has it; . for one without any allele."""
    alleles = ["." if allele == -1 else str(allele) for allele in call if allele != -2]
    return ("|" if phased else "/").join(alleles) or "."


def fasta(archive):
    """A record a sample; symbol after symbol is the allele of site after site."""
    _, _, _, ref, alt, *_ = archive.sites
    symbols = [first + others[::2] for first, others in zip(ref, alt, strict=True)]  # the others are parted by commas
    width = int(archive.attributes["line_width"]) or max(len(symbols), 1)
    lines = []
    for number, name in enumerate(archive.samples):
        row = "".join(of_site[allele] for of_site, allele in zip(symbols, archive.calls[:, number, 0], strict=True))
        lines += [f">{name}", *(row[start : start + width] for start in range(0, len(row), width))]
    return "\n".join(lines) + "\n"
