# What the scripts share; they source it. How they speak, and how they come by programs.

step() { printf '\n== %s\n' "$*" >&2; }

stop() {
  echo "$*" >&2
  exit 1
}

# packages NAME ...: installs the distribution's packages, where that is possible without asking.
packages() {
  command -v apt-get >/dev/null && [[ $(id -u) == 0 ]] || return 0
  echo "Installing what is missing from the distribution's packages: $*" >&2
  apt-get update -qq >&2
  # In this runlevel, packages do not start the services that they bring.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# program_of PROGRAM PACKAGE: installs the distribution's package where the program is missing.
program_of() {
  command -v "$1" >/dev/null && return
  packages "$2"
  command -v "$1" >/dev/null || stop "$1 is needed. Install the package $2 with your package manager."
}
