# SPDX-License-Identifier: Apache-2.0
"""VCF texts for tests: one with everything that a cohort can hold, and small ones made to order."""

HEADER = """\
##fileformat=VCFv4.3
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=q10,Description="Quality below 10, or \\"doubtful\\"">
##source=a tool, v1 = <odd>
##contig=<ID=1,length=1000>
##contig=<ID=chrX>
##contig=<length=5,ID=unused>
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##INFO=<ID=DB,Number=0,Type=Flag,Description="Known">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=NOTE,Number=.,Type=String,Description="Note">
##ALT=<ID=DEL,Description="Deletion">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
"""

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"

EVERYTHING = [
    "1\t10\trs1\tA\tC\t.\tPASS\tAF=0.00019968051;AC=1\tGT\t0|1\t0|0\t1|1\t.|.",  # phased, a float of 8 digits
    "1\t10\trs1\tA\tC\t.\tPASS\tAF=0.5\tGT\t0/1\t0/0\t1/1\t./.",  # the same site again, not phased
    "1\t12\t.\tA\tC\t29.123456789\tq10\tDB\tGT\t0/1\t0|1\t.|1\t1/.",  # mixed phase, half missing
    "1\t5\t.\tACGT\tA,C,<DEL>\t.\t.\t.\tGT\t0|3\t2/1\t.\t3",  # out of order, multi-allelic, haploid
    "1\t7\ta;b\tN\t.\t1e-10\tq10;PASS\tNOTE=x,y;END=90\tGT\t0\t0|0\t.|.\t.",  # no ALT
    "chrX\t1\t.\tG\tT\t0\tPASS\t.\tGT\t0\t1\t.\t0",  # haploid throughout
    "chrX\t0\t.\tG\tT\t.\t.\t.\tGT\t0/1/1/0\t0|1|1\t1\t./.",  # ploidy 4, 3, 1 and 2
    "chrX\t3\t.\tG\tT\t.\t.\t.\t.\t.\t.\t.\t.",  # no GT at all
    "1\t999\t.\tG\t" + ",".join("A" * n for n in range(2, 128)) + "\t.\t.\t.\tGT\t0|126\t9/10\t99|100\t123",
    "1\t1000\t.\tg\tt\t.\t.\t.\tGT\t0|0\t0|0\t0|0\t0|0",
]


def vcf(records, samples=("a", "b", "c", "d"), header=HEADER):
    """The bytes of a VCF of `records`, lines without a line end."""
    columns = "\t".join([COLUMNS, "FORMAT", *samples]) if samples is not None else COLUMNS
    return "".join([header, *(f"{line}\n" for line in [columns, *records])]).encode()
