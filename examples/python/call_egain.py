"""Calls eGain's API with the token that egain-operator keeps in a mounted Secret, with nothing but the standard library.

    python3 call_egain.py /knowledge/portalmgr/v4/portals

EGAIN_TOKEN_DIR is where the Secret is mounted, INTERVAL how many seconds pass between two calls.
"""

import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

TOKEN_DIR = pathlib.Path(os.environ.get("EGAIN_TOKEN_DIR", "/var/run/egain"))


def send(path):
    """Sends a request with the token of this moment: the files are replaced when the token is."""
    request = urllib.request.Request(
        (TOKEN_DIR / "api_url").read_text() + path,
        headers={"Authorization": (TOKEN_DIR / "authorization").read_text()},
    )
    return urllib.request.urlopen(request, timeout=10)


def call(path):
    """Calls the API. The token may have been replaced between reading it and eGain's looking at it, so 401 is tried once more."""
    try:
        return send(path)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        return send(path)


if __name__ == "__main__":
    while True:
        try:
            with call(sys.argv[1]) as response:
                print(response.status, flush=True)
        except urllib.error.HTTPError as error:
            print(error.code, flush=True)
        time.sleep(float(os.environ.get("INTERVAL", "60")))
