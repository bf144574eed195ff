"""graph written by this process -> Classifier: opened once for each set of options, and never hashed."""

from pathlib import Path

from mtl_runtime.bundle.manifest import EncoderSpec, TaskSpec, VariantSpec
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.inference.settings import InferenceSettings, ModelSource
from mtl_runtime.loading.execution_choice import choose_execution
from mtl_runtime.providers.execution_config import ExecutionConfig
from mtl_runtime.providers.session import Session, onnxruntime_version
from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["GraphSessions"]

_Options = tuple[str, str, tuple[tuple[str, str], ...], int, int]  # graph, provider, its options, threads, runs


class GraphSessions:
    """Sessions of the graphs in one folder, open until somebody closes them or their graph is written again.

    Args:
        folder: of the graphs.
        encoder: facts that batches need.
        tokenizer: the model's.
    """

    def __init__(self, folder: Path, encoder: EncoderSpec, tokenizer: Tokenizer) -> None:
        self._folder, self._encoder, self._tokenizer = folder, encoder, tokenizer
        self._sessions: dict[_Options, Session] = {}

    def classifier(
        self, variant: str, spec: VariantSpec, tasks: tuple[TaskSpec, ...], execution: ExecutionConfig | None = None
    ) -> Classifier:
        """A classifier on the graph of ``spec`` whose answers have the temperatures and thresholds of ``tasks``.

        Args:
            variant: name of it.
            spec: graph, provider and options.
            tasks: in the order of the graph's outputs.
            execution: default: the provider's default for throughput on the allowed cores.

        Raises:
            MissingPackageError, ProviderError, BundleError: as :meth:`mtl_runtime.providers.session.Session.open`.
        """
        config = execution or choose_execution(spec.provider, variant, ()).config
        session = self._session(spec, config)
        return Classifier(
            specs=tasks,
            encoder=self._encoder,
            tokenizer=self._tokenizer,
            run_batch=session.run,
            settings=InferenceSettings.for_provider(spec.provider, config, pad_id=self._encoder.pad_id),
            source=ModelSource(
                bundle=str(self._folder),
                digest="",  # the bundle is not finished
                variant=variant,
                provider=session.provider,
                reason="being measured",
                onnxruntime=onnxruntime_version(),
            ),
        )

    def close(self, graph: str) -> None:
        """Close the sessions of a graph, because it is about to be written again."""
        self._sessions = {options: session for options, session in self._sessions.items() if options[0] != graph}

    def close_all_but(self, variant: str, spec: VariantSpec) -> None:
        """Close all sessions, except the one with the provider's default config for ``spec``."""
        baseline = _options(spec, choose_execution(spec.provider, variant, ()).config)
        self._sessions = {options: session for options, session in self._sessions.items() if options == baseline}

    def close_all(self) -> None:
        """Close all sessions."""
        self._sessions = {}

    def _session(self, spec: VariantSpec, config: ExecutionConfig) -> Session:
        options = _options(spec, config)
        if options not in self._sessions:
            self._sessions[options] = Session.open(
                self._folder / spec.graph,
                provider=spec.provider,
                provider_options=spec.provider_options,
                threads=config.threads,
                runs=config.workers,
                sums_fit_16_bits=spec.sums_fit_16_bits,
            )
        return self._sessions[options]


def _options(spec: VariantSpec, config: ExecutionConfig) -> _Options:
    return spec.graph, spec.provider, tuple(sorted(spec.provider_options.items())), config.threads, config.workers
