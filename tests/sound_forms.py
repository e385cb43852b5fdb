"""Forms of spectrograms, each with something that the others have not."""

from pipeline.clips.sound_form import SSL_TIE_FORM, VGGISH_FORM, SoundForm

FORMS = (
    SoundForm(),
    SoundForm(hop=320, bands=64),
    SoundForm(22050, hop=238),
    SSL_TIE_FORM,
    VGGISH_FORM,
)
