"""``scoreline stubs``: writes the protos, and the Python code that the installed grpcio-tools generates from them."""

import shutil
from importlib.resources import files as files_of
from importlib.util import find_spec
from pathlib import Path

import click

_PACKAGE = Path(__file__).parents[1]


def protos() -> Path:
    """The folder that the protos' import paths start from: in the package or, in a clone, beside it."""
    shipped = _PACKAGE / "protos"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "protos"


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder to write protos/ and python/ into.")  # fmt: skip
@click.option("--protos-only", is_flag=True, help="For other languages: leave Python out.")
def stubs(out: Path, protos_only: bool) -> None:
    """Write the protos, and Python stubs for services that do not use this client.

    The stubs are made by the grpcio-tools that is installed here, so that they fit the grpcio and protobuf beside it.
    """
    if not protos_only and find_spec("grpc_tools") is None:
        raise click.ClickException("stubs need grpcio-tools: pip install grpcio-tools, or give --protos-only")
    source, copied = protos(), out / "protos"
    files = [path.relative_to(source) for path in sorted(source.rglob("*.proto"))]
    for file in files:
        (copied / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, copied / file)
        click.echo(copied / file)
    if not protos_only:
        for made in _generate(copied, files, out / "python"):
            click.echo(made)


def _generate(copied: Path, files: list[Path], out: Path) -> list[Path]:
    from grpc_tools import protoc

    out.mkdir(parents=True, exist_ok=True)
    options = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    googles = files_of("grpc_tools") / "_proto"
    if protoc.main(["protoc", f"-I{copied}", f"-I{googles}", *options, *map(str, files)]):
        raise click.ClickException("protoc failed, for the reason above")
    suffixes = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")
    return [out / file.with_name(f"{file.stem}{suffix}") for file in files for suffix in suffixes]
