"""avloc's library: all the knowledge, from a folder of videos to the numbers of the paper.

The rooms, in the order of the data; a room imports from those above it:

    base        whole files, resumable pieces of work, params.yaml as values, hashes of code
    execution   where work runs: processes, Ray, ranks, progress, DVC's cache; it changes no byte
    media       one frame and one sound out of any container; writing and playing
    corpora     source layouts, official lists, ground truth, and whether all of them are there
    clips       a decoded corpus: frames, spectrograms of a form, windows, views
    decode      a clip, a shard, a corpus; the spectrograms of a form
    networks    ResNets, weight files, ranks, the device
    encoders    off-the-shelf encoders and their features
    neighbours  top-k search; which listed clips are trained on
    methods     the contract of a method, and one file each
    train       the loop, which knows views, features and named losses alone
    predict     a method applied: maps and similarities of clips, of media files, of moments
    benchmarks  the contract; metrics (pure functions), kinds of benchmark, one file a family
    evaluate    a method on a benchmark, beside the baselines
    report      the page with its browser of samples, figures, films, anyone's scores
    toy         the made corpus and its encoders
    fetch       clips from where they are published, and out of archives; outside DVC's stages
    speed       each stage beside the way it is usually done

`errors.py` is the one error that a user sees as a line; `rehearsal.py` makes a small project of a
study and a few clips. `stages/` holds one thin command for each DVC stage; it reads parameters,
calls this package and writes outputs. Nothing here imports from there.

**Bare section, equation and table numbers, as (4.1), Eq. 5 or Table 7, are those of the paper**,
Senocak et al., Sound Source Localization is All about Cross-Modal Alignment, ICCV 2023 (arXiv
2309.10724). Where it is silent, or differs from its authors' code, methods/DECISIONS.md says what
is taken.
"""
