#!/bin/sh
# Runs the browser tests. Installs what is missing (Debian's chromium by apt, playwright-core
# by npm), then runs the tests with the test runner of node.
# CHROMIUM selects another browser binary. Screenshots are written to e2e/screenshots.
set -eu
cd "$(dirname "$0")"

if [ -z "${CHROMIUM:-}" ]; then
  if ! command -v chromium >/dev/null 2>&1; then
    echo "test-browser: installing chromium" >&2
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
  fi
  CHROMIUM="$(command -v chromium)"
fi
export CHROMIUM

if ! command -v sqlite3 >/dev/null 2>&1; then
  echo "test-browser: install the sqlite3 shell (Debian: apt-get install sqlite3)" >&2
  exit 1
fi

if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
fi

# One build for all tests.
E2E_DEMO="$(mktemp -d)/sessile"
export E2E_DEMO
trap 'rm -rf "$(dirname "$E2E_DEMO")"' EXIT
go -C ../cmd/sessile build -o "$E2E_DEMO" .

node --test --test-concurrency=1 --test-reporter=spec tests/*.test.mjs
