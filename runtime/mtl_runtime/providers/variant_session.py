"""variant of a bundle -> Session: its files are hashed first, beside whatever the caller does meanwhile."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import VariantSpec
from mtl_runtime.core.background import run_in_background
from mtl_runtime.core.installed_packages import installed_with_prefix
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import BundleError
from mtl_runtime.providers.registry import cache_option, get_provider
from mtl_runtime.providers.session import Session, import_onnxruntime

__all__ = ["loading_session", "open_session", "verified_graph_path"]


@contextmanager
def loading_session(bundle: Bundle, variant: str, *, threads: int, runs: int = 1) -> Iterator[Callable[[], Session]]:
    """Begin to hash the files of ``variant``; what the block is given waits for that, then loads the graph.

    It is to be called once. The block does not end before the hashing.

    Args:
        bundle: an opened one.
        variant: one of its variants.
        threads: intra-op threads of each run.
        runs: at the same time.

    Raises:
        ProviderError: there is no such provider.

    What the block is given raises:
        BundleError: onnxruntime cannot load the graph, or it is not the one that the manifest describes.
        IntegrityError: a file's bytes are not those that the manifest promises.
        MissingPackageError, ProviderError: the provider is not to be had here.
    """
    spec = bundle.manifest.variants[variant]
    option = cache_option(get_provider(spec.provider))
    hash_kept = _compiled(bundle, spec, threads, runs) if option else nullcontext
    # One thread for all files: a third beside imports slows both.
    with run_in_background(lambda: (verified_graph_path(bundle, spec.graph), hash_kept())) as wait:

        def finish() -> Session:
            import_onnxruntime()
            graph, compiled = wait()
            with compiled as folder:
                options = {**spec.provider_options, **({option: str(folder)} if option and folder else {})}
                session = Session.open(
                    graph, provider=spec.provider, provider_options=options, threads=threads, runs=runs
                )
            _check_names(bundle, spec, session)
            return session

        yield finish


def open_session(bundle: Bundle, variant: str, *, threads: int, runs: int = 1) -> Session:
    """Session of ``variant``, its files hashed first; arguments and errors are those of :func:`begin_session`."""
    with loading_session(bundle, variant, threads=threads, runs=runs) as finish:
        return finish()


def verified_graph_path(bundle: Bundle, name: str) -> Path:
    """Path of a graph whose files, weights outside it included, were hashed.

    onnxruntime then reads the file itself: handing it the bytes takes a second copy of all weights, and twice the time.
    """
    for file in bundle.external_data(name):
        bundle.check(file)
    return bundle.check(name)


def _check_names(bundle: Bundle, spec: VariantSpec, session: Session) -> None:
    promised = bundle.manifest.inputs, bundle.manifest.outputs
    if (session.inputs, session.outputs) != promised:
        found = f"{', '.join(session.inputs)} -> {', '.join(session.outputs)}"
        raise BundleError(f"{spec.graph} is {found}; the manifest says {promised}")


def _compiled(
    bundle: Bundle, spec: VariantSpec, threads: int, runs: int
) -> Callable[[], AbstractContextManager[Path | None]]:
    """What hashes the folder in which the provider finds what it compiled before, and hands it out."""
    from mtl_runtime.providers.compile_cache import (  # only providers that compile need what it imports
        cache_key,
        compile_cache,
    )

    options = {**spec.provider_options, "threads": str(threads), "runs": str(runs)}
    versions = json.dumps(installed_with_prefix("onnxruntime"), sort_keys=True)
    key = cache_key(bundle.manifest.files[spec.graph], spec.provider, options, machine_facts(), versions)
    return partial(compile_cache, key)
