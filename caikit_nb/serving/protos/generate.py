"""Writes the generated modules beside this folder: ``make protos``.

They differ from what protoc writes in two ways: they import one another by their full names, and
their messages live in a pool of descriptors of our own. So they can be imported in one process
with another package's modules of the same messages, such as caikit's or a Triton client's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
PACKAGE = "caikit_nb.serving"
SOURCES = ("model-runtime.proto", "inference.proto")
_DEFAULT_POOL = "_descriptor_pool.Default()"
_POOL_IMPORT = "from google.protobuf import descriptor_pool as _descriptor_pool\n"


def generate(target: Path) -> None:
    """Write all modules into a folder."""
    arguments = ["protoc", f"-I{PROTOS}", f"--python_out={target}", f"--grpc_python_out={target}"]
    if protoc.main([*arguments, *SOURCES]):
        sys.exit("protoc has failed")
    for source in SOURCES:
        stem = Path(source).stem.replace("-", "_")
        _rewrite(target / f"{stem}_pb2.py", _POOL_IMPORT, f"from {PACKAGE} import messages_pool\n")
        _rewrite(target / f"{stem}_pb2.py", _DEFAULT_POOL, "messages_pool.POOL")
        _rewrite(target / f"{stem}_pb2.py", f"'{stem}_pb2'", f"'{PACKAGE}.{stem}_pb2'")
        module = f"import {stem}_pb2 as "
        _rewrite(target / f"{stem}_pb2_grpc.py", module, f"from {PACKAGE} {module}")


def _rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    if text.count(old) != 1:
        sys.exit(f"{path.name}: {old.strip()!r} was expected once")
    path.write_text(text.replace(old, new), "utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write the generated modules of serving/.")
    parser.add_argument("target", nargs="?", type=Path, default=PROTOS.parent)
    generate(parser.parse_args().target)


if __name__ == "__main__":
    main()
