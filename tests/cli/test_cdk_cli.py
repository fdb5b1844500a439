"""The CDK CLI on the local AWS emulator, and how it comes from npm."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dsql_dr_constructs.cli.cdk_cli import CdkCli, CdkError, NpmPackage
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT, AwsEmulator


def test_account_that_the_cli_remembers_elsewhere_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    other = {"accountId": "123456789012", "partition": "aws"}
    monkeypatch.setenv("CDK_HOME", str(tmp_path))
    with AwsEmulator(regions=["us-east-1"]) as aws:
        key = aws.variables()["AWS_ACCESS_KEY_ID"]
        (cache / "accounts_partitions.json").write_text(json.dumps({key: other}))
        app = CdkCli(aws, tmp_path, app="echo account is $CDK_DEFAULT_ACCOUNT; exit 1")
        with pytest.raises(CdkError, match=f"account is {ACCOUNT}"):
            app.run("synth")


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[bytes]:
    """The one package of a registry on loopback: it has a script that would leave a file behind."""
    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode="w:gz") as archive:
        content = json.dumps({"name": "tool", "version": "1.0.0", "scripts": {"install": "touch script-was-run"}})
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content.encode()))
    package = files.getvalue()

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            version = {"name": "tool", "version": "1.0.0", "dist": {"tarball": f"http://{host}/tool.tgz"}}
            about = {"name": "tool", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(package if self.path == "/tool.tgz" else json.dumps(about).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        host = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://{host}/")
        monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield package
        server.shutdown()


def locked(folder: Path, package: bytes) -> NpmPackage:
    """By a lock that has the hash of *package*."""
    wants = {"dependencies": {"tool": "1.0.0"}}
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(package).digest()).decode()}"
    packages = {"": wants, "node_modules/tool": {"version": "1.0.0", "integrity": integrity, "hasInstallScript": True}}
    (folder / "package.json").write_text(json.dumps(wants))
    (folder / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    return NpmPackage("tool", folder)


def test_what_npm_fetches_is_what_the_lock_names_and_its_scripts_are_not_run(published: bytes, tmp_path: Path) -> None:
    tool = locked(tmp_path, published)
    tool.install()
    assert [one.name for one in tool.folder.iterdir()] == ["package.json"]
    assert tool.stamp.exists()


def test_file_of_another_hash_than_the_locks_is_refused(published: bytes, tmp_path: Path) -> None:
    tool = locked(tmp_path, published + b"tampered with")
    with pytest.raises(CdkError, match=rf"could not install tool from {tmp_path}:\n(?s:.*)EINTEGRITY"):
        tool.install()
    assert not tool.stamp.exists()
    assert not tool.folder.exists()


def test_another_lock_is_installed_anew(published: bytes, tmp_path: Path) -> None:
    tool = locked(tmp_path, published)
    tool.install()
    lock = tmp_path / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    assert not tool.stamp.exists()
    (tool.folder / "of the old one").touch()
    tool.install()
    assert tool.stamp.exists()
    assert not (tool.folder / "of the old one").exists()
