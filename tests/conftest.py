"""What every test runs under."""

import torch

# Tests are many and small: a second thread costs more than it gives, and the bytes of a sum depend
# on how many threads take part in it.
torch.set_num_threads(1)
