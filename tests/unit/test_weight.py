"""What a first `make run` downloads, and what stays out of it."""

import subprocess
import sys
from pathlib import Path

from deploy.local import bootstrap
from tests.weight import DOWNLOAD_MEGABYTES, MEGABYTE, downloads, locked, main, taken


def test_a_first_make_run_downloads_no_more_than_its_limit() -> None:
    assert sum(downloads(locked()).values()) <= DOWNLOAD_MEGABYTES * MEGABYTE


def test_what_few_imports_need_is_downloaded_by_its_group_alone() -> None:
    few = {"pyarrow", "matplotlib", "numpy", "pygments", "resvg-py", "noto-cjk-sans-otc"}
    assert not few & downloads(locked()).keys()
    assert "pyarrow" in downloads(locked(), ["local", "parquet"])
    assert {"resvg-py", "noto-cjk-sans-otc"} <= downloads(locked(), ["local", "charts"]).keys()


def test_extras_and_markers_are_followed_and_the_wheel_that_fits_linux_is_weighed() -> None:
    url = "https://example.org/"
    lock = {
        "package": [
            {
                "name": "rapport",
                "dependencies": [
                    {"name": "plain", "extra": ["more"]},
                    {"name": "elsewhere", "marker": "sys_platform == 'win32'"},
                ],
                "dev-dependencies": {"local": []},
            },
            {
                "name": "plain",
                "wheels": [
                    {"url": f"{url}plain-1-cp311-cp311-macosx_12_0_arm64.whl", "size": 1},
                    {"url": f"{url}plain-1-cp311-cp311-manylinux_2_28_x86_64.whl", "size": 20},
                    {"url": f"{url}plain-1-py3-none-any.whl", "size": 300},
                ],
                "optional-dependencies": {"more": [{"name": "source"}]},
            },
            {"name": "source", "sdist": {"size": 4_000}},
            {"name": "elsewhere", "sdist": {"size": 50_000}},
        ]
    }
    assert downloads(lock) == {"plain": 20, "source": 4_000}


def test_an_environment_above_its_limit_fails_the_command(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)  # a hole takes no room
    assert taken(tmp_path) < MEGABYTE
    (tmp_path / "small").write_bytes(b"\1" * MEGABYTE)
    assert taken(tmp_path) >= MEGABYTE


def test_what_is_compiled_for_a_first_start_can_be_imported_without_what_was_left_out() -> None:
    left_out = ["pyarrow", "pygments", "markdown_it", "dns", "psutil", "platformdirs", "fasteners"]
    script = f"import sys; sys.modules.update(dict.fromkeys({left_out})); import {', '.join(bootstrap.STARTED)}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
