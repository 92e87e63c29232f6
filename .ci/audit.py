"""Known vulnerabilities of pinned requirements, or that nobody could be asked about them.

python .ci/audit.py REQUIREMENTS.txt

pip-audit takes a package that the index knows nothing of for a harmless one and exits with
0; here that is told. The exit code is 1 where a vulnerability is known.
"""

import json
import subprocess
import sys


def main(requirements: str) -> int:
    """Asks pip-audit, and tells what it knows of each package."""
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--format=json"),
            *("--progress-spinner=off", "--no-deps", "--disable-pip"),
            f"--requirement={requirements}",
        ],
        capture_output=True,
        text=True,
    )
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        print(f"vulnerabilities: not known. {asked.stderr.strip()[-500:]}")
        # nobody could be asked, unless there is nobody who asks or he was asked wrongly
        broken = ("No module named", "usage:")
        return int(any(sign in asked.stderr for sign in broken))
    known = [
        f"{each['name']} {each['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version'}"
        for each in packages
        for fault in each.get("vulns", [])
    ]
    skipped = sum("skip_reason" in each for each in packages)
    print(*known, sep="\n", end="\n" if known else "")
    print(
        f"vulnerabilities: {len(known)} known in {len(packages) - skipped} packages; "
        f"nothing could be learned of {skipped} others"
    )
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
