"""What the paper's Tables 1 to 9 say (Senocak et al., ICCV 2023), as printed, in per cent.

Facts of the paper and of nothing that runs here. Of tables that print test sets below each other
the sets are columns here. Two slips of the print are put right: Table 3 names SLAVC "w/o OGL" among
the methods with OGL as well, and Table 4 names SSL-TIE "SSSL-Transform".
"""

from dataclasses import dataclass

OGL = "with OGL"
FLOW = "with optical flow"


# The paper's clips of VGG-SS, which every number of it on VGG-SS is over, see benchmarks/vggss.py.
PAPER_CLIPS = "@available"


@dataclass(frozen=True)
class Column:
    """A column: the names of its test set and score, and the benchmark and metric of ours. `part`
    is the part of the benchmark's samples that the paper scored, "" for all of them."""

    test_set: str
    score: str
    benchmark: str
    metric: str
    part: str = ""


@dataclass(frozen=True)
class Line:
    """A row of ours: the `section` it stands in, a `word` for it, and what it makes of a column's
    metric: `prefix` before its name and `suffix` behind. `full`: on all samples of the official
    list and not on the paper's part alone, blank where these are the same; `unseen`: over queries
    that were not trained on; `instead`: the second metric in place of the first, all others
    blank; `spare`: stands only where no list says which clips the paper's are."""

    section: str = ""
    word: str = ""
    prefix: str = ""
    suffix: str = ""
    full: bool = False
    unseen: bool = False
    instead: tuple[str, str] | None = None
    spare: bool = False

    def metric(self, column: Column) -> str | None:
        """The metric in `column`; None for a blank."""
        name = column.metric
        if self.instead:
            if name != self.instead[0]:
                return None
            name = self.instead[1]
        if self.full and not column.part:
            return None
        part = "" if self.full else column.part
        if self.unseen:
            part = f"{part}-unseen" if part else "@unseen"
        return f"{self.prefix}{name}{self.suffix}{part}"


@dataclass(frozen=True)
class Row:
    """A method's scores, one a column, None where the paper has none. `pretrained`: whether its
    vision encoder is, None where the paper does not say. `section`: "", `OGL` or `FLOW`."""

    method: str
    pretrained: bool | None
    values: tuple[float | None, ...]
    section: str = ""


@dataclass(frozen=True)
class Table:
    """A table of methods on test sets; `ours` are the lines that each run of ours has in it;
    `study` is the one of params.yaml that fills it; `notes` say what of ours beside it is nobody's
    word but an inference."""

    number: int
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    ours: tuple[Line, ...]
    study: str
    notes: tuple[str, ...] = ()


# What the page says where the paper is silent and its numbers decide.
_WHICH_CLIPS = (
    "Which clips of VGG-SS the paper scored is an inference by arithmetic: its percentages are "
    "shares of the 4,655 clips of its authors' list and cannot be shares of the full one. Rows of "
    "ours, here and in all tables, are over those, but where they say that they are over the full "
    "official list."
)
OF_THE_CLIPS = "Over the 4,655 clips of VGG-SS, see Table 1, and over its full official list."
_OF_F = (
    "Which F the paper prints is an inference as well: its F is 1.21 to 1.25 of its mIoU for all "
    "four methods, as F of the mask cut at the median is and the best over thresholds is not."
)
_OF_RECALL = (
    "That the paper counts a query as right where one of its best k has the query's class is an "
    "inference: its authors' code does so, and the text does not say. Recall of the own partner "
    "and both over the queries that were not trained on stand below."
)
_OF_FORMS = (
    "Rows of ours are scored alike: the map above its median, OGL with 0.4 of the map. A row that "
    "is scored as its authors do has the same maps in the form of the method's own released code, "
    "which it names, over the same clips; where none stands, that code scores as all do here or is "
    "not public. The printed number can be of either."
)
_OF_HALF = (
    "A map cut at half of its range, as SSPL's code cuts it, is what reaches the middle between "
    "its smallest and its largest value; a cut at the median always takes half of the frame."
)
_OF_LOCACC = (
    "LocAcc is Table 1's cIoU, since the paper prints the same numbers in both; for AP and max-F1 "
    "that the negatives are also of the 4,655 clips is an inference."
)

# The benchmarks whose official list is longer than what the paper could get of it.
_OF_VGGSS = frozenset(
    {"vggss", "heard", "unheard", "heard-tie", "unheard-tie", "retrieval", "extended-vggss"}
)


def _columns(test_set: str, benchmark: str, scores: dict[str, str]) -> tuple[Column, ...]:
    part = PAPER_CLIPS if benchmark in _OF_VGGSS else ""
    return tuple(Column(test_set, name, benchmark, metric, part) for name, metric in scores.items())


FULL_LIST = "the full official list"
AS_PUBLISHED = "scored as its authors do"
AT_HALF = "cut at half of the map's range"
_LOCALIZATION = {"cIoU": "cIoU", "AUC": "AUC"}
# LocAcc is Table 1's cIoU: the paper prints the same numbers.
_DETECTION = {"AP": "AP", "max-F1": "max_F1", "LocAcc": "LocAcc"}
_PLAIN = (Line(), Line(word=FULL_LIST, full=True))


def _once(section: str, word: str, suffix: str) -> tuple[Line, Line]:
    """A line on the paper's clips, or, where no list says which these are, on the full list."""
    full = f"{word}, {FULL_LIST}"
    return Line(section, word, "", suffix), Line(section, full, "", suffix, full=True, spare=True)


_LOCALIZED = (*_PLAIN, *_once("", AS_PUBLISHED, "_published"))
_LOCALIZED_AND_OGL = (
    *_LOCALIZED,
    Line(OGL, "with OGL", suffix="_ogl"),
    Line(OGL, f"with OGL, {FULL_LIST}", suffix="_ogl", full=True),
    *_once(OGL, f"with OGL, {AS_PUBLISHED}", "_published_ogl"),
)
# SSPL's threshold, for every method beside it: where the paper prints SSPL.
_BESIDE_SSPL = (*_LOCALIZED_AND_OGL, *_once("", AT_HALF, "_half"))
# Class recall first: it is very probably what the paper prints, see metrics/retrieval.py.
_RECALL = (
    Line(word="any of the class", prefix="class_"),
    Line(word="the own partner"),
    Line(word="any of the class, queries not trained on", prefix="class_", unseen=True),
    Line(word="the own partner, queries not trained on", unseen=True),
    Line(word=f"any of the class, {FULL_LIST}", prefix="class_", full=True),
    Line(word=f"the own partner, {FULL_LIST}", full=True),
    Line(
        word=f"any of the class, queries not trained on, {FULL_LIST}",
        prefix="class_",
        full=True,
        unseen=True,
    ),
    Line(word=f"the own partner, queries not trained on, {FULL_LIST}", full=True, unseen=True),
    Line(word="any of the class, by s_L", prefix="class_", suffix="_s_L"),
    Line(word="the own partner, by s_L", suffix="_s_L"),
)
_WITH_NEGATIVES = (
    *_PLAIN,
    Line(word="at every threshold", suffix="_exact"),
    Line(word="with OGL, 0.4 of the map", suffix="_ogl"),
    Line(word="with OGL, 0.9 of the map as SLAVC", suffix="_ogl_slavc"),
)

TABLES = (
    Table(
        1,
        "VGG-SS and SoundNet-Flickr, trained on 144,000 clips of VGGSound",
        (
            *_columns("VGG-SS", "vggss", _LOCALIZATION),
            *_columns("SoundNet-Flickr", "flickr", _LOCALIZATION),
        ),
        (
            Row("Attention (CVPR 2018)", True, (18.50, 30.20, 66.00, 55.80)),
            Row("CoarseToFine (ECCV 2020)", True, (29.10, 34.80, None, None)),
            Row("LCBM (WACV 2022)", True, (32.20, 36.60, None, None)),
            Row("LVS, released model (CVPR 2021)", False, (30.30, 36.40, 72.40, 57.80)),
            Row("LVS (CVPR 2021)", False, (34.40, 38.20, 71.90, 58.20)),
            Row("HardPos (ICASSP 2022)", False, (34.60, 38.00, 76.80, 59.20)),
            Row("SSPL without PCM (CVPR 2022)", True, (27.00, 34.80, 73.90, 60.20)),
            Row("SSPL with PCM (CVPR 2022)", True, (33.90, 38.00, 76.70, 60.50)),
            Row("EZ-VSL (ECCV 2022)", True, (35.96, 38.20, 78.31, 61.74)),
            Row("SSL-TIE (ACM MM 2022)", False, (38.63, 39.65, 79.50, 61.20)),
            Row("SLAVC (NeurIPS 2022)", True, (37.79, 39.40, 83.60, None)),
            Row("the paper's model", False, (39.94, 40.02, 79.60, 63.44)),
            Row("EZ-VSL (ECCV 2022)", True, (38.85, 39.54, 83.94, 63.60), OGL),
            Row("SLAVC (NeurIPS 2022)", True, (39.80, None, 86.00, None), OGL),
            Row("the paper's model", False, (42.64, 41.48, 82.40, 64.60), OGL),
            Row("HearTheFlow (WACV 2023)", True, (39.40, 40.00, 84.80, 64.00), FLOW),
        ),
        _BESIDE_SSPL,
        "vggsound-144k",
        (_WHICH_CLIPS, _OF_FORMS, _OF_HALF),
    ),
    Table(
        2,
        "SoundNet-Flickr, trained on 144,000 clips of SoundNet-Flickr",
        _columns("SoundNet-Flickr", "flickr", _LOCALIZATION),
        (
            Row("Attention (CVPR 2018)", True, (66.00, 55.80)),
            Row("DMC (CVPR 2019)", True, (67.10, 56.80)),
            Row("LVS, released model (CVPR 2021)", False, (67.20, 56.20)),
            Row("LVS (CVPR 2021)", False, (69.90, 57.30)),
            Row("HardPos (ICASSP 2022)", False, (75.20, 59.70)),
            Row("SSPL without PCM (CVPR 2022)", True, (69.90, 58.00)),
            Row("SSPL with PCM (CVPR 2022)", True, (75.90, 61.00)),
            Row("EZ-VSL (ECCV 2022)", True, (71.89, 58.81)),
            Row("SSL-TIE (ACM MM 2022)", False, (81.50, 61.10)),
            Row("the paper's model", False, (85.20, 62.20)),
            Row("EZ-VSL (ECCV 2022)", True, (83.13, 63.06), OGL),
            Row("the paper's model", False, (84.00, 64.16), OGL),
            Row("HearTheFlow (WACV 2023)", True, (86.50, 63.90), FLOW),
        ),
        _BESIDE_SSPL,
        "flickr-144k",
        (_OF_FORMS, _OF_HALF),
    ),
    Table(
        3,
        "Open set: trained on 110 classes, tested on those and on 110 others, split of LVS, EZ-VSL "
        "and SLAVC",
        (
            *_columns("Heard 110", "heard", _LOCALIZATION),
            *_columns("Unheard 110", "unheard", _LOCALIZATION),
        ),
        (
            Row("LVS (CVPR 2021)", False, (28.90, 36.20, 26.30, 34.70)),
            Row("EZ-VSL (ECCV 2022)", True, (31.86, 36.19, 32.66, 36.72)),
            Row("SLAVC (NeurIPS 2022)", True, (35.84, None, 36.50, None)),
            Row("the paper's model", False, (38.31, 39.05, 39.11, 39.80)),
            Row("EZ-VSL (ECCV 2022)", True, (37.25, 38.97, 39.57, 39.60), OGL),
            Row("SLAVC (NeurIPS 2022)", True, (38.22, None, 38.87, None), OGL),
            Row("the paper's model", False, (41.85, 40.93, 42.94, 41.54), OGL),
            Row("HearTheFlow (WACV 2023)", True, (37.30, 38.60, 39.30, 40.00), FLOW),
        ),
        _LOCALIZED_AND_OGL,
        "heard-110",
        (OF_THE_CLIPS, _OF_FORMS),
    ),
    Table(
        4,
        "Open set: the same on the split of SSL-TIE",
        (
            *_columns("Heard 110", "heard-tie", _LOCALIZATION),
            *_columns("Unheard 110", "unheard-tie", _LOCALIZATION),
        ),
        (
            Row("SSL-TIE (ACM MM 2022)", False, (39.00, 40.30, 36.50, 38.60)),
            Row("the paper's model", False, (41.20, 41.00, 36.90, 38.59)),
        ),
        _LOCALIZED,
        "heard-110-tie",
        (OF_THE_CLIPS, _OF_FORMS),
    ),
    Table(
        5,
        "AVSBench S4, trained on 144,000 clips of VGGSound",
        _columns("S4", "avsbench-s4", {"mIoU": "mIoU", "F-score": "F_median"}),
        (
            Row("LVS (CVPR 2021)", False, (26.9, 33.6)),
            Row("EZ-VSL (ECCV 2022)", True, (27.6, 34.2)),
            Row("SLAVC (NeurIPS 2022)", True, (28.1, 34.6)),
            Row("the paper's model", False, (29.6, 35.9)),
        ),
        # That the paper's F is F_median is an inference, see metrics/segmentation.py.
        (Line(), Line(word="F at the best threshold", instead=("F_median", "F_max"))),
        "vggsound-144k",
        (_OF_F,),
    ),
    Table(
        6,
        "Cross-modal retrieval on VGG-SS",
        (
            *_columns("Sound to image", "retrieval", {f"R@{k}": f"R@{k}_a2i" for k in (1, 5, 10)}),
            *_columns("Image to sound", "retrieval", {f"R@{k}": f"R@{k}_i2a" for k in (1, 5, 10)}),
        ),
        (
            Row("LVS (CVPR 2021)", False, (3.87, 12.35, 20.73, 4.90, 14.29, 21.37)),
            Row("EZ-VSL (ECCV 2022)", True, (5.01, 15.73, 24.81, 14.2, 33.51, 45.18)),
            Row("SSL-TIE (ACM MM 2022)", False, (10.29, 30.68, 43.76, 12.76, 29.58, 39.72)),
            Row("SLAVC (NeurIPS 2022)", True, (4.77, 13.08, 19.10, 6.12, 21.16, 32.12)),
            Row("the paper's model", False, (16.47, 36.99, 49.00, 20.09, 42.38, 53.66)),
        ),
        _RECALL,
        "vggsound-144k",
        (_OF_RECALL, OF_THE_CLIPS),
    ),
    Table(
        7,
        "Extended SoundNet-Flickr and Extended VGG-SS, with sounds of nothing in view",
        (
            *_columns("Extended Flickr", "extended-flickr", _DETECTION),
            *_columns("Extended VGG-SS", "extended-vggss", _DETECTION),
        ),
        (
            Row("CoarseToFine (ECCV 2020)", True, (0.00, 38.20, 47.20, 0.00, 19.80, 21.93)),
            Row("LVS (CVPR 2021)", False, (9.80, 17.90, 19.60, 5.15, 9.90, 10.43)),
            Row("Attention10k (CVPR 2018)", True, (15.98, 24.00, 34.16, 6.70, 13.10, 14.04)),
            Row("DMC (CVPR 2019)", True, (25.56, 41.80, 52.80, 11.53, 20.30, 22.63)),
            Row("DSOL (NeurIPS 2020)", True, (38.32, 49.40, 72.91, 16.84, 25.60, 26.87)),
            Row("OGL alone (ECCV 2022)", None, (40.20, 55.70, 77.20, 18.73, 30.90, 36.58)),
            Row("EZ-VSL (ECCV 2022)", True, (46.30, 54.60, 66.40, 24.55, 30.90, 31.58)),
            Row("SLAVC (NeurIPS 2022)", True, (51.63, 59.10, 83.60, 32.95, 40.00, 37.79)),
            Row("the paper's model", False, (64.43, 66.90, 79.60, 34.73, 40.70, 39.94)),
        ),
        _WITH_NEGATIVES,
        "vggsound-144k",
        (_OF_LOCACC, OF_THE_CLIPS),
    ),
)

# Table 8, on VGG-SS: semantic, multi-view, feature alignment; cIoU, AUC.
ABLATIONS = {
    "A": ((True, True, True), (39.94, 40.02)),
    "B": ((True, True, False), (39.10, 39.44)),
    "C": ((True, False, True), (38.75, 39.34)),
    "D": ((True, False, False), (38.24, 38.90)),
    "E": ((False, True, True), (38.30, 39.38)),
    "F": ((False, True, False), (37.72, 39.19)),
    "G": ((False, False, True), (34.93, 37.94)),
    "H": ((False, False, False), (34.22, 37.67)),
}

# Table 9, on VGG-SS: k; cIoU, AUC.
NEIGHBOURS = {
    10: (38.80, 39.51),
    30: (38.82, 39.67),
    100: (39.46, 39.93),
    500: (39.90, 40.00),
    1000: (39.94, 40.02),
}
