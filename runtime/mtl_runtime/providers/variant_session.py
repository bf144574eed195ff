"""variant of a bundle -> Session: its files are hashed first, while the caller does other work."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.graph_scan.scan import scan_graph
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, Manifest, VariantSpec, graph_metadata, logits_output
from mtl_runtime.core.background import run_in_background
from mtl_runtime.core.installed_packages import installed_with_prefix
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import BundleError
from mtl_runtime.providers.registry import cache_option, get_provider
from mtl_runtime.providers.session import Session, TensorType, import_onnxruntime

__all__ = ["loading_session", "open_session", "verified_graph_path"]

_log = logging.getLogger(__name__)


@contextmanager
def loading_session(bundle: Bundle, variant: str, *, threads: int, runs: int = 1) -> Iterator[Callable[[], Session]]:
    """Start to hash the files of ``variant``; yield a function that waits for that and then loads the graph.

    That function must be called at most once. The block does not end before the hashing.

    Args:
        bundle: an open one.
        variant: one of its variants.
        threads: intra-op threads of each run.
        runs: at the same time.

    Raises:
        ProviderError: there is no such provider.

    The yielded function raises:
        BundleError: onnxruntime cannot load the graph, or it is not the one that the manifest describes.
        IntegrityError: a file's bytes are not those that the manifest promises.
        MissingPackageError, ProviderError: the provider cannot run here.
    """
    spec = bundle.manifest.variants[variant]
    option = cache_option(get_provider(spec.provider))
    open_cache = _cache_opener(bundle, spec, threads, runs) if option else nullcontext
    # One thread for all files: a third one next to the imports slows both.
    with run_in_background(lambda: (verified_graph_path(bundle, spec.graph), open_cache())) as wait:

        def finish() -> Session:
            import_onnxruntime()
            graph, cache = wait()
            with cache as folder:
                options = {**spec.provider_options, **({option: str(folder)} if option and folder else {})}
                session = Session.open(
                    graph,
                    provider=spec.provider,
                    provider_options=options,
                    threads=threads,
                    runs=runs,
                    sums_fit_16_bits=spec.sums_fit_16_bits,
                )
            _check_graph(bundle.manifest, spec, session)
            _log.debug("opened %s of %s on %s: runs %d, threads %d", variant, bundle.path, spec.provider, runs, threads)
            return session

        yield finish


def open_session(bundle: Bundle, variant: str, *, threads: int, runs: int = 1) -> Session:
    """Open ``variant``, its files hashed first; arguments and errors are those of :func:`loading_session`."""
    with loading_session(bundle, variant, threads=threads, runs=runs) as finish:
        return finish()


def verified_graph_path(bundle: Bundle, name: str) -> Path:
    """Hash a graph's files, weights outside the graph included, scan its structure, and return the path of the graph.

    onnxruntime then reads the file itself: passing it the bytes takes a second copy of all weights, and twice the time.
    It looks for weights next to the path it is given, by the name in the graph: in a hub cache, where contents have
    other names, that path is then the link.
    """
    weights = bundle.external_data(name)
    for file in weights:
        _require_single_name(bundle.check(file), file)
    graph = bundle.check(name)
    scan_graph(graph, name, weights={file: bundle.manifest.files[file].bytes for file in weights})
    return bundle.path / name if weights else graph


def _require_single_name(file: Path, name: str) -> None:
    """Refuse a hard link: onnxruntime opens weights by their name, and under another name they can be changed."""
    if file.stat().st_nlink > 1:
        raise BundleError(f"{name} has other names too (hard links); put a copy in its place: cp {name} COPY")


def _check_graph(manifest: Manifest, spec: VariantSpec, session: Session) -> None:
    """Compare what the graph declares with what the manifest promises: a graph of another model must not answer.

    Raises:
        BundleError: they differ.
    """
    promised = manifest.inputs, manifest.outputs
    if (session.inputs, session.outputs) != promised:
        actual = f"{', '.join(session.inputs)} -> {', '.join(session.outputs)}"
        raise BundleError(f"{spec.graph} is {actual}; the manifest says {promised}")
    widths = {logits_output(task.name): task.width for task in manifest.tasks}
    widths[EMBEDDING_OUTPUT] = manifest.encoder.hidden_size
    for name, declared in session.tensors.items():
        wanted = _wanted_type(widths.get(name))
        # A length that the graph leaves open is checked when it is computed.
        undeclared = declared.shape == (None, None) and declared.type == wanted.type
        if declared != wanted and not undeclared:
            raise BundleError(
                f"{spec.graph} declares {name} as {_describe(declared)}; the manifest promises {_describe(wanted)}"
            )
    for key, value in graph_metadata(manifest.tasks, manifest.format_version).items():
        if session.metadata.get(key) != value:
            raise BundleError(f"{key} in {spec.graph} differs from the manifest: they belong to different exports")


def _wanted_type(width: int | None) -> TensorType:
    """Of an output of that width, or of an input: (texts, tokens)."""
    return TensorType("tensor(int64)", (None, None)) if width is None else TensorType("tensor(float)", (None, width))


def _describe(tensor: TensorType) -> str:
    return f"{tensor.type} ({', '.join('any' if length is None else str(length) for length in tensor.shape)})"


def _cache_opener(
    bundle: Bundle, spec: VariantSpec, threads: int, runs: int
) -> Callable[[], AbstractContextManager[Path | None]]:
    """Return what opens the folder of earlier compiled graphs, which includes hashing it."""
    from mtl_runtime.providers.compile_cache import (  # only providers that compile need what it imports
        cache_key,
        compile_cache,
    )

    options = {**spec.provider_options, "threads": str(threads), "runs": str(runs)}
    versions = json.dumps(installed_with_prefix("onnxruntime"), sort_keys=True)
    key = cache_key(bundle.manifest.files[spec.graph], spec.provider, options, machine_facts(), versions)
    return partial(compile_cache, key)
