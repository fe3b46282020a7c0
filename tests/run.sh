#!/bin/sh
# Installs what the tests need and runs all of them, real QEMU included, on Debian 12: as root, or as a user who may sudo.
# What it makes stands below .venv/ and is ignored by git. Arguments are handed to pytest: `sh tests/run.sh -k blockjob`.
set -eu
cd "$(dirname "$0")/.."

PACKAGES="qemu-system-x86 qemu-utils seabios ovmf swtpm swtpm-tools python3 python3-venv strace busybox-static
lzop bzip2 xz-utils zstd gcc libc6-dev resource-agents libxml2-utils libvirt-clients libvirt-daemon libvirt-daemon-system libvirt-daemon-driver-qemu procps"
KERNEL=.venv/share/virtctl-tests/kernel

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing_packages() {
    for package in $PACKAGES; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) echo "$package" ;;
        esac
    done
}

# Packages that bring a daemon would start it. The tests start their own and nothing may run behind the user's back.
install_packages() {
    [ -n "$1" ] || return 0
    echo "tests/run.sh: installing" "$(echo "$1" | tr "\n" " ")"
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e "$policy" ]; then
        made=$policy
        trap 'as_root rm -f "$made"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null
    trap - EXIT
    if [ -n "$made" ]; then as_root rm -f "$made"; fi
}

kernel_package() {
    apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '$1 == "Depends:" && /linux-image-/ {print $2}'
}

# The kernel of the Linux guest: downloaded and unpacked, never installed.
fetch_kernel() {
    if ls "$KERNEL"/boot/vmlinuz-* >/dev/null 2>&1; then return 0; fi
    as_root apt-get update -qq
    package=$(kernel_package)
    echo "tests/run.sh: fetching $package"
    rm -rf "$KERNEL.new"
    mkdir -p "$KERNEL.new"
    (cd "$KERNEL.new" && apt-get download -qq -o APT::Sandbox::User=root "$package")
    dpkg-deb -x "$KERNEL.new/$package"_*.deb "$KERNEL.new"
    rm -rf "$KERNEL" "$KERNEL.new/$package"_*.deb
    mv "$KERNEL.new" "$KERNEL"
}

make_environment() {
    if [ ! -x .venv/bin/python ]; then
        python=python3
        "$python" -c 'import sys, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null || python=/usr/bin/python3
        "$python" -m venv .venv
    fi
    wanted=$(cksum <pyproject.toml)
    if [ "$(cat .venv/installed-for 2>/dev/null)" != "$wanted" ]; then
        .venv/bin/python -m pip install -q --disable-pip-version-check --root-user-action=ignore --config-settings editable_mode=compat -e '.[test]'
        echo "$wanted" >.venv/installed-for
    fi
}

install_packages "$(missing_packages)"
make_environment
fetch_kernel

# Two at a time, fast tests first (tests/conftest.py sorts them); a group of tests that share something stays together.
exec .venv/bin/python -m pytest -n "${TEST_WORKERS:-2}" --dist loadgroup "$@"
