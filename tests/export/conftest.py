"""Settings of the exporter's tests: no network, few threads, repeatable examples."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from hypothesis import settings
from transformers.utils import logging as transformers_logging

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
torch.set_num_threads(1)  # tiny models only wait for each other on several
transformers_logging.disable_progress_bar()
