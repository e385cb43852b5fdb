"""The paper's method: Senocak et al., Sound Source Localization is All about Cross-Modal Alignment,
ICCV 2023. Bare section and equation numbers are that paper's.

Two ResNets put a frame's positions and a sound into one space. With v^p the feature of position p,
c_p its cosine with the sound a, P the number of positions and p_v, p_a one linear layer each,

    s_L(v, a) = sum_p c_p / P                          (Eq. 3, M = 1)
    s_A(v, a) = cosine of p_v(sum_p v^p / P), p_a(a)   (Eq. 4)

Views of a frame, V = {v, v_aug, v_conc}: its own, an augmented one, that of an image neighbour; and
of a sound, A = {a, a_aug, a_conc}: the middle, another window, that of a sound neighbour; all nine
pairs are positives (3.3). The loss of clip i has 18 terms, summed, and is averaged over the batch:

    L_i = - sum over v in V, a in A, s in {s_L, s_A} of
            log e^(s(v_i, a_i) / tau) / sum_j e^(s(v_i, a_j) / tau),    tau = 0.07  (Eq. 5)

where j runs over the batch's sounds of the same view. The map is c_p.

The authors' own training code (kaistmm/ssl_kccv @ 7e178e6, `Alignment`: model.py, train.py:200-238)
has the same 18 terms, tau and direction, but

    s_L(v, a) = sum_p w_p c_p / sum_p w_p,    w_p = sigmoid((c_p - 0.65) / 0.03)

which is LVS's mask without LVS's negative of the background (`pooling: masked`), the maximum over
the positions of v under p_v (`projection_pooling: max`), another v_aug (`augmentation: released`),
and Adam with weight decay 1e-4 for 80 epochs of batches of 16; the text has 50 epochs and says
nothing of decay and batch. The defaults are the text's. DECISIONS.md beside this file has a row for
each.
"""

from pipeline.methods.common.aligned import Aligned, AlignmentSettings

__all__ = ["METHOD", "Alignment", "AlignmentSettings"]


class Alignment(Aligned):
    """The image network, the sound network and the projections p_v, p_a of Eq. 4."""


METHOD = Alignment
