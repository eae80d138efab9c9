import asyncio
import ssl
from pathlib import Path

import pytest

from stargate_kit.report_fakes import certificate
from stargate_operator.reports.certificate import ServingCertificate
from tests.unit.reports.serving import Site


async def served(site: Site, trust: ssl.SSLContext) -> int:
    _, writer = await asyncio.open_connection("localhost", site.server.port, ssl=trust)
    serial = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    return int(serial, 16)


async def test_a_new_certificate_is_served_without_a_restart(site: Site) -> None:
    assert await served(site, site.trust) == 1
    certificate(site.files[0].parent, serial=2)
    assert site.server._certificate.reload_if_changed()
    assert await served(site, site.trust) == 2


async def test_half_a_rotation_keeps_the_old_pair(site: Site, tmp_path: Path) -> None:
    old = site.trust
    other = tmp_path / "next"
    other.mkdir()
    crt, key = certificate(other, serial=2)
    site.files[0].write_bytes(crt.read_bytes())
    assert not site.server._certificate.reload_if_changed()
    assert await served(site, old) == 1
    site.files[1].write_bytes(key.read_bytes())
    assert site.server._certificate.reload_if_changed()
    assert await served(site, site.trust) == 2


def test_replaced_symlink_of_a_mounted_secret_is_noticed(tmp_path: Path) -> None:
    for serial in (1, 2):
        (tmp_path / str(serial)).mkdir()
        certificate(tmp_path / str(serial), serial=serial)
    data = tmp_path / "..data"
    data.symlink_to("1")
    serving = ServingCertificate(data / "tls.crt", data / "tls.key")
    assert not serving.reload_if_changed()
    (tmp_path / "..tmp").symlink_to("2")
    (tmp_path / "..tmp").rename(data)
    assert serving.reload_if_changed()


def test_missing_files_keep_the_old_pair(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    serving = ServingCertificate(crt, key)
    before = serving.context
    crt.unlink()
    assert not serving.reload_if_changed()
    assert serving.context is before


def test_server_does_not_start_without_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tls\.crt"):
        ServingCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")


async def test_changed_certificate_is_reloaded(tmp_path: Path) -> None:
    serving = ServingCertificate(*certificate(tmp_path))
    before = serving.context
    watching = asyncio.create_task(serving.watch(poll_seconds=0.01))
    certificate(tmp_path, serial=2)
    async with asyncio.timeout(5):
        while serving.context is before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    watching.cancel()
