"""Read by each Python that starts with this folder on its path (`tests.cloud_witness`): its cloud notes its answers."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SERVER = "cloud.api.server"


class _Witness(MetaPathFinder):
    """Wraps `make_app` of the one module, when it is imported."""

    def find_spec(self, name: str, _path: Any, _target: ModuleType | None = None) -> ModuleSpec | None:
        if name != SERVER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None, "the cloud has a server"
        assert spec.loader is not None, "the cloud has a server"
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            from tests.cloud_witness import witnessed

            run(module)
            vars(module)["make_app"] = witnessed(vars(module)["make_app"])

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this loader alone
        return spec


sys.meta_path.insert(0, _Witness())
