"""How Triton runs a model, checked against the bundle before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from mtl_runtime.bundle.manifest import Manifest
from mtl_runtime.errors import MtlError, UnknownVariantError
from mtl_runtime.providers.registry import get_provider

__all__ = ["DEVICES", "Device", "ModelSettings", "device_of"]

Device = Literal["cpu", "gpu"]
DEVICES: tuple[Device, ...] = get_args(Device)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """How Triton runs a model."""

    device: Device = "cpu"
    variant: str | None = None  # None: the fastest that can be trusted where Triton runs
    instances: int = 1  # processes, each with the model in its memory
    threads: int | None = None  # of each instance; None: the cores of the machine, divided among the instances
    max_batch_size: int = 256  # texts of a request, and of the requests that are computed together

    def check(self, manifest: Manifest) -> None:
        """Require a variant that can run on the device.

        Raises:
            UnknownVariantError: the bundle has no such variant.
            MtlError: the variant runs on another device, or none runs on this one.
        """
        devices: Mapping[str, Device] = {
            name: device_of(variant.provider) for name, variant in manifest.variants.items()
        }
        if self.variant is not None and self.variant not in devices:
            raise UnknownVariantError(self.variant, devices)
        if self.variant is not None and devices[self.variant] != self.device:
            other = devices[self.variant]
            raise MtlError(f"{self.variant} runs on the {other.upper()}; give --device {other}, or another --variant")
        if self.device not in devices.values():
            names = ", ".join(devices)
            raise MtlError(
                f"no variant of the bundle runs on the {self.device.upper()}; it has: {names}; choose another "
                f"--device, or export one (docs/variants.md)"
            )


def device_of(provider: str) -> Device:
    """Where a provider computes.

    Raises:
        ProviderError: there is no such provider.
    """
    return "gpu" if get_provider(provider).is_device else "cpu"
